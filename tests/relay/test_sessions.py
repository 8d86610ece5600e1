"""Sessions as clients see them: how they are named, how they end, and how a place goes from one to another."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.changes import Resize
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.tenants import split_name
from concur_proxy.settings.gateway import GatewaySettings
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, Hold, answer, answer_at_once, scripted_engine, sessions

ONE_PLACE = {"law": "static", "law_options": {"window": 1}}
ONE_KEPT_PLACE = {**ONE_PLACE, "idle_lease": 3600}
ONE_LENT_PLACE = {**ONE_PLACE, "idle_lease": 0}


def known(gateway: RunningGateway, number: int = 0) -> list[str]:
    """Return the keys of the known sessions, oldest first."""
    engine = gateway.app.monitors[number].engine
    return [split_name(session.key)[1] for session in gateway.app.coordinator.fleet.gates[engine].sessions]


async def post(gateway: RunningGateway, body: dict[str, Any], **headers: str) -> int:
    response = await gateway.client.post("/v1/chat/completions", json=body, headers=headers)
    return response.status_code


def _defaults(name: str) -> tuple[str, ...]:
    default: tuple[str, ...] = GatewaySettings.model_fields[name].default
    return default


@pytest.mark.parametrize("header", _defaults("session_headers"))
async def test_each_default_header_names_a_session(header: str) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await post(gateway, {}, **{header: "s1"})
        assert known(gateway) == ["s1"]


@pytest.mark.parametrize(
    ("field", "value"), [*((field, "s1") for field in _defaults("session_body_fields")), ("program_id", 7)]
)
async def test_each_default_body_field_names_a_session(field: str, value: object) -> None:
    body: Any = value
    for step in reversed(field.split(".")):
        body = {step: body}
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await post(gateway, body)
        assert known(gateway) == [str(value)]


async def test_headers_come_before_fields_and_each_in_the_configured_order() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await post(gateway, {"program_id": "p"}, **{"x-dynamo-session-id": "late", "x-session-id": "early"})
        await post(gateway, {"program_id": "p", "metadata": {"session_id": "m"}})
        assert known(gateway) == ["early", "m"]


async def test_configured_names_replace_the_defaults() -> None:
    names = {"session_headers": "x-agent", "session_body_fields": "agent.run"}
    async with scripted_engine() as engine, running_gateway(engine.url, **names) as gateway:
        await post(gateway, {}, **{"x-session-id": "no", "x-agent": "yes"})
        await post(gateway, {"program_id": "no", "agent": {"run": "deep"}})
        assert known(gateway) == ["yes", "deep"]


async def test_the_gate_hears_what_the_request_says_of_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        arrivals: list[Arrival] = []
        arrive = gateway.app.coordinator.arrive

        def hear(arrival: Arrival) -> Ticket:
            arrivals.append(arrival)
            return arrive(arrival)

        monkeypatch.setattr(gateway.app.coordinator, "arrive", hear)
        codex = {"session-id": "s", "thread-id": "t2", "x-codex-parent-thread-id": "t1"}
        await post(gateway, {"prompt_cache_key": "s"}, **codex)
        await post(gateway, {}, **{"x-session-id": "child", "x-parent-session-id": "main"})
        await post(gateway, {"prompt_cache_key": "shared"})
        assert [(each.key, each.member, each.parent, each.parent_key, each.hint) for each in arrivals] == [
            ("s", "t2", "t1", None, "s"),
            ("child", "", "", "main", None),
            (None, "", "", None, "shared"),
        ]


async def test_the_end_of_a_sub_agent_does_not_end_its_family() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        session = {"x-claude-code-session-id": "s", "x-session-end": "true"}
        await post(gateway, {}, **session, **{"x-claude-code-agent-id": "a"})
        assert known(gateway) == ["s"]
        await post(gateway, {}, **session)
        assert known(gateway) == []


@pytest.mark.parametrize("header", ["x-session-end", "x-dynamo-session-final"])
async def test_a_session_ends_with_the_answer_of_the_request_that_says_so(header: str) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **ONE_KEPT_PLACE) as gateway:
        await gateway.chat("a")
        other = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        assert await post(gateway, {}, **{"x-session-id": "a", header: "true"}) == 200
        assert (await other).status_code == 200
        assert known(gateway) == ["b"]


async def test_an_end_said_with_a_refused_request_ends_nothing() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, **ONE_KEPT_PLACE, max_hold_s=0.1) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        assert await post(gateway, {}, **{"x-session-id": "b", "x-session-end": "true"}) == 429
        assert known(gateway) == ["a", "b"]
        hold.open.set()
        await first


@pytest.mark.parametrize(
    ("path", "name"), [("/programs/release", "program_id"), ("/concur/v1/sessions/release", "session_id")]
)
async def test_a_released_session_s_place_goes_to_the_next(path: str, name: str) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **ONE_KEPT_PLACE) as gateway:
        await gateway.chat("a")
        other = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        response = await gateway.client.post(path, json={name: "a"})
        assert (response.status_code, response.json()) == (200, {name: "a", "released": True})
        assert (await other).status_code == 200
        again = await gateway.client.post(path, json={name: "a"})
        assert (again.status_code, again.json()) == (200, {name: "a", "released": False})


async def test_a_session_released_in_the_middle_of_its_answer_ends_with_it() -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **ONE_KEPT_PLACE) as gateway:
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        await gateway.client.post("/programs/release", json={"program_id": "a"})
        assert known(gateway) == ["a"]
        hold.open.set()
        assert (await first).status_code == 200
        assert known(gateway) == []


async def test_an_idle_session_s_place_is_handed_on_when_its_lease_ends_and_not_before() -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, **ONE_PLACE, idle_lease=1) as gateway,
    ):
        await gateway.chat("a")
        other = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        assert (await gateway.chat("a")).status_code == 200, "within its lease it goes on at once"
        assert sessions(engine) == ["a", "a"]
        assert (await other).status_code == 200
        assert await gateway.metric("concur_pauses_total", reason="lease") == 1


async def test_a_pausing_session_s_answer_completes_and_its_next_request_waits() -> None:
    hold = Hold()

    async def overloaded(exchange: Exchange) -> None:
        await exchange.json({}, status="429 Too Many Requests")

    async with (
        scripted_engine(script=hold, usage=0.3, blocks="1") as engine,  # a cache that is too small for two sessions
        running_gateway(engine.url, law="aimd", law_options={"initial": 2}, idle_lease=3600) as gateway,
    ):
        older = asyncio.create_task(gateway.chat("older"))
        await gateway.until(lambda: engine.in_flight == 1)
        younger = asyncio.create_task(gateway.chat("younger"))
        await gateway.until(lambda: engine.in_flight == 2)
        engine.script = overloaded
        assert (await gateway.chat("older")).status_code == 429
        assert gateway.snapshot().window == 1
        engine.script = answer_at_once
        hold.open.set()
        assert (await younger).json() == (await older).json() == answer()
        assert (gateway.snapshot().active, gateway.snapshot().paused) == (1, 1)
        resumed = asyncio.create_task(gateway.chat("younger"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        assert (await gateway.chat("older")).status_code == 200
        assert sessions(engine) == ["older", "younger", "older", "older"]
        await gateway.client.post("/programs/release", json={"program_id": "older"})
        assert (await resumed).status_code == 200
        assert await gateway.metric("concur_resumes_total") == 1


async def test_sessions_that_resume_come_before_new_ones() -> None:
    async with scripted_engine(blocks="1") as engine, running_gateway(engine.url, **ONE_KEPT_PLACE) as gateway:
        engine.script = hold = Hold()
        busy = asyncio.create_task(gateway.chat("busy"))
        await gateway.until(lambda: engine.in_flight == 1)
        engine.script = answer_at_once
        first = asyncio.create_task(gateway.chat("old"))
        while not first.done():  # the law sets its own window at every reading
            gateway.app.coordinator.apply(Resize(engine=engine.url, window=2.0))
            await asyncio.sleep(0.01)
        gateway.app.coordinator.apply(Resize(engine=engine.url, window=1.0))
        assert gateway.snapshot().paused == 1
        new = asyncio.create_task(gateway.chat("new"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        old = asyncio.create_task(gateway.chat("old"))
        await gateway.until(lambda: gateway.snapshot().held == 2)
        hold.open.set()
        await busy
        for name, asking in (("busy", old), ("old", new)):
            await gateway.client.post("/programs/release", json={"program_id": name})
            assert (await asking).status_code == 200
        assert sessions(engine) == ["busy", "old", "old", "new"]


@pytest.mark.parametrize("header", ["x-stainless-timeout", "x-stainless-read-timeout"])
async def test_a_hold_ends_before_the_client_s_own_time_out(header: str) -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **ONE_KEPT_PLACE) as gateway:
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        response = await gateway.client.post("/v1/chat/completions", json={}, headers={header: "0.2"})
        assert (response.status_code, response.headers["x-concur-reason"]) == (429, "hold_timeout")
        hold.open.set()
        await first


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_an_engine_s_refusal_passes_and_shrinks_the_window(status: str) -> None:
    body = {"object": "error", "message": "queue full", "code": 503}

    async def refuse(exchange: Exchange) -> None:
        await exchange.json(body, status=status, headers="Retry-After: 7\r\nX-Own: yes\r\n")

    async with (
        scripted_engine(script=refuse, usage=0.3) as engine,
        running_gateway(engine.url, law="aimd", law_options={"initial": 8}) as gateway,
    ):
        response = await gateway.chat("a")
        assert (response.status_code, response.json()) == (int(status[:3]), body)
        assert (response.headers["retry-after"], response.headers["x-own"]) == ("7", "yes")
        assert "x-concur-reason" not in response.headers
        assert gateway.snapshot().window == 4
        assert await gateway.metric("concur_control_decisions_total", kind="decrease") == 1


async def test_a_request_that_makes_no_tokens_never_waits() -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **ONE_KEPT_PLACE) as gateway:
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        engine.script = answer_at_once
        response = await gateway.client.post("/v1/embeddings", json={}, headers={"x-session-id": "b"})
        assert response.status_code == 200
        assert known(gateway) == ["a"]
        hold.open.set()
        await first


async def test_the_off_law_passes_everything_and_counts_what_it_would_have_held() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold, usage=0.3, blocks="2") as engine,
        running_gateway(engine.url, law="off") as gateway,
    ):
        await gateway.until(lambda: gateway.snapshot().budget_tokens is not None)
        prompts = [[{"role": "user", "content": f"task {number}"}] for number in range(5)]
        asking = [
            asyncio.create_task(gateway.chat(f"s{number}", messages=prompt)) for number, prompt in enumerate(prompts)
        ]
        await gateway.until(lambda: engine.in_flight == 5)
        assert await gateway.metric("concur_would_hold_total") == 4
        hold.open.set()
        assert [response.status_code for response in await asyncio.gather(*asking)] == [200] * 5


async def test_without_any_metrics_endpoint_it_serves_by_the_fixed_window() -> None:
    async def no_such_path(exchange: Exchange) -> None:
        await exchange.json({"detail": "Not Found"}, status="404 Not Found")

    times = {"stale_after_s": 0.1, "fail_open_after_s": 0.2, "fallback_window": 3}
    async with (
        scripted_engine(metrics_script=no_such_path) as engine,
        running_gateway(engine.url, law="aimd", law_options={"initial": 1}, **times) as gateway,
    ):
        assert (await gateway.chat("a")).status_code == 200
        await gateway.until(lambda: gateway.snapshot().window == 3)
        assert (await gateway.chat("b")).status_code == 200
        response = await gateway.client.get("/readyz")
        assert response.status_code == 200
        (detail,) = response.json()["engines"]
        assert (detail["signals"], detail["decision"]["kind"]) == ("stale", "fallback")
        assert "404" in detail["problem"]


async def test_a_recogniser_from_an_outside_module_has_its_place_in_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
from concur_proxy.recognition.recogniser import Recognition

class Authorization:
    body_fields = ()

    def recognise(self, request):
        value = request.header(b"authorization")
        return None if value is None else Recognition(value.decode(), "authorization")

def build(options):
    return Authorization()
"""
    (tmp_path / "own_recogniser.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    order = ("headers", "own_recogniser:build")
    async with scripted_engine() as engine, running_gateway(engine.url, recognisers=order) as gateway:
        for headers in ({"authorization": "Bearer a"}, {"authorization": "Bearer a", "x-session-id": "s"}):
            await gateway.client.post("/v1/chat/completions", json={"program_id": "unread"}, headers=headers)
        await gateway.client.post("/v1/chat/completions", json={"program_id": "unread"})
        assert known(gateway) == ["Bearer a", "s"]
        assert await gateway.metric("concur_unkeyed_requests_total") == 1
        for by in ("authorization", "headers"):
            assert await gateway.metric("concur_recognised_requests_total", by=by) == 1


TASK = [{"role": "system", "content": "You write code."}, {"role": "user", "content": "Sort a list."}]
NEXT_TURN = [*TASK, {"role": "assistant", "content": "How long is it?"}, {"role": "user", "content": "Short."}]


@pytest.mark.parametrize(
    ("recognisers", "names", "counted"),
    [
        (("headers", "conversation"), ["a", "b"], {"headers": 2, "conversation": 0}),
        (("conversation", "headers"), ["a"], {"headers": 1, "conversation": 1}),
        (("headers",), ["a", "b"], {"headers": 2, "conversation": 0}),
    ],
)
async def test_the_prompt_decides_where_the_order_says_so(
    recognisers: tuple[str, ...], names: list[str], counted: dict[str, int]
) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, recognisers=recognisers) as gateway:
        await post(gateway, {"messages": TASK}, **{"x-session-id": "a"})
        await post(gateway, {"messages": NEXT_TURN}, **{"x-session-id": "b"})
        assert known(gateway) == names
        for by, number in counted.items():
            assert await gateway.metric("concur_recognised_requests_total", by=by) == number


async def test_a_session_that_the_prompt_has_found_ends_when_the_client_says_so() -> None:
    order = ("conversation", "headers")
    async with scripted_engine() as engine, running_gateway(engine.url, recognisers=order) as gateway:
        await post(gateway, {"messages": TASK}, **{"x-session-id": "a"})
        await post(gateway, {"messages": NEXT_TURN}, **{"x-session-id": "b", "x-session-end": "true"})
        assert known(gateway) == []


@pytest.mark.parametrize(("recognisers", "unkeyed"), [(("headers", "conversation"), 1), (("headers",), 2)])
async def test_without_the_conversation_recogniser_nobody_is_found_by_the_prompt(
    recognisers: tuple[str, ...], unkeyed: int
) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, recognisers=recognisers) as gateway:
        await post(gateway, {"messages": TASK})
        await post(gateway, {"messages": NEXT_TURN})
        assert len(known(gateway)) == 2 - unkeyed
        assert await gateway.metric("concur_unkeyed_requests_total") == unkeyed
