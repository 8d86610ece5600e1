"""The admin calls, over HTTP against the real gateway."""

import asyncio

import pytest

from concur_proxy.control.phrasing import duration
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Hold, scripted_engine, sessions

V1 = "/concur/v1"
ENGINES = f"{V1}/engines"
STATIC = {"law": "static", "law_options": {"window": 1}, "work_conserving": False}


async def test_sessions_are_read_paused_put_first_resumed_and_ended() -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **STATIC) as gateway:
        tasks = []
        for number, key in enumerate("abc"):
            tasks.append(asyncio.create_task(gateway.chat(key)))
            await gateway.until(lambda number=number: gateway.snapshot().waiting == number)  # type: ignore[misc]
            await gateway.until(lambda: gateway.snapshot().in_flight == 1)

        async def steer(how: str, key: str) -> int:
            answer = await gateway.client.post(f"{V1}/sessions/{how}", json={"session_id": key})
            return answer.status_code

        listed = (await gateway.client.get(f"{V1}/sessions")).json()
        assert listed["total"] == 3
        assert [(row["session_id"], row["state"], row["place"], row["text"]) for row in listed["sessions"]] == [
            ("a", "active", None, "running"),
            ("b", "queued", 1, f"waiting (place 1, about {duration(listed['sessions'][1]['expected_wait_s'])})"),
            ("c", "queued", 2, f"waiting (place 2, about {duration(listed['sessions'][2]['expected_wait_s'])})"),
        ]
        assert await steer("prioritise", "c") == 200
        one = (await gateway.client.get(f"{V1}/sessions", params={"session_id": "c"})).json()["sessions"]
        assert (one[0]["place"], one[0]["preferred"]) == (1, True)
        assert await steer("pause", "c") == await steer("pause", "b") == 200
        assert await steer("end", "a") == 200
        hold.open.set()
        assert (await tasks[0]).status_code == 200
        await gateway.until(lambda: gateway.snapshot().in_flight == 0)
        assert not tasks[1].done()
        assert not tasks[2].done()
        paused = (await gateway.client.get(f"{V1}/sessions")).json()["sessions"]
        assert {(row["session_id"], row["text"]) for row in paused} == {
            ("b", "paused by an operator"),
            ("c", "paused by an operator"),
        }
        assert await steer("resume", "b") == 200
        assert (await tasks[1]).status_code == 200
        (between,) = (await gateway.client.get(f"{V1}/sessions", params={"session_id": "b"})).json()["sessions"]
        assert between["text"] == "between turns"
        assert await steer("end", "b") == await steer("resume", "c") == 200
        assert (await tasks[2]).status_code == 200
        assert await steer("pause", "nobody") == 404
        missing = await gateway.client.get(f"{V1}/sessions", params={"session_id": "nobody"})
        assert missing.json()["error"]["code"] == "no_session"


async def test_an_engine_with_many_sessions_hides_no_other_ones() -> None:
    async with (
        scripted_engine(models=["m"]) as one,
        scripted_engine(models=["other"]) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await gateway.until(lambda: all(monitor.models is not None for monitor in gateway.app.monitors))
        for number in range(6):
            await gateway.chat(f"a{number}")
        for number in range(2):
            await gateway.chat(f"b{number}", model="other")
        state = (await gateway.client.get(f"{V1}/state", params={"sessions": 5})).json()
        assert [row["session_id"] for row in state["sessions"]] == ["a0", "a1", "a2", "b0", "b1"]
        assert state["sessions_total"] == 8


async def test_a_model_that_cannot_be_written_down_does_not_blind_the_page() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        headers = {"x-session-id": "a", "content-type": "application/json"}
        await gateway.client.post(
            "/v1/chat/completions", content=b'{"model": "\\ud800", "messages": []}', headers=headers
        )
        answer = await gateway.client.get(f"{V1}/state")
        assert answer.status_code == 200
        assert [(row["session_id"], row["model"]) for row in answer.json()["sessions"]] == [("a", None)]


async def test_a_window_that_is_set_stays_until_it_is_released() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **STATIC) as gateway:
        await gateway.until(lambda: gateway.app.monitors[0].last_decision is not None)
        body = {"engine": engine.url, "sessions": 7}
        answer = await gateway.client.put(f"{V1}/window", json=body)
        assert answer.json()["window"] == {"sessions": 7, "tokens": None, "by_hand": True}
        scrapes = engine.scrapes
        await gateway.until(lambda: engine.scrapes > scrapes + 2)
        assert gateway.snapshot().window == 7
        frozen = await gateway.client.put(f"{V1}/window", json={"engine": engine.url})
        assert frozen.json()["window"]["sessions"] == 7
        tokens = await gateway.client.put(f"{V1}/window", json={"engine": engine.url, "tokens": 5000})
        assert tokens.json()["window"] == {"sessions": None, "tokens": 5000, "by_hand": True}
        decisions = (await gateway.client.get(f"{V1}/state")).json()["decisions"]
        assert decisions[0]["kind"] == "freeze"
        assert decisions[0]["reason"] == "set manually"
        assert decisions[0]["text"] == "window unchanged (7 sessions): set manually"
        await gateway.client.request("DELETE", f"{V1}/window", json={"engine": engine.url})
        await gateway.until(lambda: gateway.snapshot().window == 1)


async def test_a_law_is_switched_and_its_options_are_told() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **STATIC) as gateway:
        body = {"engine": engine.url, "law": "static", "options": {"window": 3}}
        answer = await gateway.client.put(f"{V1}/law", json=body)
        assert answer.json()["law"] == {"name": "static", "options": {"window": 3}, "enforced": True}
        await gateway.until(lambda: gateway.snapshot().window == 3)
        await gateway.client.put(f"{V1}/law", json={"engine": engine.url, "law": "off"})
        assert not gateway.app.coordinator.fleet.gates[engine.url].is_enforcing


async def test_the_settings_law_moves_the_window_again_when_the_other_one_is_released() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **STATIC) as gateway:
        named = {"engine": engine.url}
        await gateway.client.put(f"{V1}/law", json={**named, "law": "static", "options": {"window": 3}})
        await gateway.until(lambda: gateway.snapshot().window == 3)
        answer = await gateway.client.request("DELETE", f"{V1}/law", json=named)
        assert answer.json()["law"] == {"name": "static", "options": {"window": 1}, "enforced": True}
        await gateway.until(lambda: gateway.snapshot().window == 1)


async def test_who_only_observes_holds_nobody_under_any_law() -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, mode="observe", **STATIC) as gateway:
        tasks = [asyncio.create_task(gateway.chat(key)) for key in "abc"]
        await gateway.until(lambda: gateway.snapshot().in_flight == 3)
        assert await gateway.metric("concur_would_hold_total") >= 1
        await gateway.client.put(f"{V1}/law", json={"engine": engine.url, "law": "aimd"})
        assert not gateway.app.coordinator.fleet.gates[engine.url].is_enforcing
        hold.open.set()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "window", {"engine": "http://127.0.0.1:9", "sessions": 0}, 400, "wrong_body"),
        ("PUT", "window", {"engine": "http://127.0.0.1:9", "session": 3}, 400, "wrong_body"),
        ("PUT", "window", {"engine": "http://127.0.0.1:10", "sessions": 3}, 404, "no_engine"),
        ("DELETE", "window", {}, 400, "wrong_body"),
        ("PUT", "law", {"engine": "http://127.0.0.1:9", "law": "tokns"}, 400, "wrong_law"),
        ("PUT", "law", {"engine": "http://127.0.0.1:9", "law": "os:getcwd"}, 400, "wrong_law"),
        ("PUT", "law", {"engine": "http://127.0.0.1:9", "law": "static", "options": {"window": 0}}, 400, "wrong_law"),
        ("POST", "sessions/pause", {"session_id": 7}, 400, "wrong_body"),
        ("POST", "sessions/pause", {"session_id": "x" * 70_000}, 413, "body_too_large"),
    ],
)
async def test_what_cannot_be_done_is_said(
    method: str, path: str, body: dict[str, object], status: int, code: str
) -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        answer = await gateway.client.request(method, f"{V1}/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_an_engine_is_added_and_used_at_once() -> None:
    async with (
        scripted_engine(models=["m"]) as one,
        scripted_engine(models=["m"]) as two,
        running_gateway(one.url) as gateway,
    ):
        await gateway.chat("a")
        for _ in range(2):
            response = await gateway.client.post(ENGINES, json={"engine": f"{two.url}/"})
            assert (response.status_code, response.json()["engines"]) == (200, [one.url, two.url])
        await gateway.until(lambda: len(gateway.app.monitors) == 2 and gateway.app.monitors[1].models is not None)
        await gateway.chat("b")
        assert sessions(two) == ["b"]
        assert [engine["engine"] for engine in (await gateway.client.get("/readyz")).json()["engines"]] == [
            one.url,
            two.url,
        ]
        assert await gateway.metric("concur_engine_up", engine=two.url) == 1


async def test_an_engine_that_is_given_up_ends_its_answers_its_sessions_move_and_it_is_forgotten() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        answering = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: len(one.received) == 1)
        response = await gateway.client.request("DELETE", ENGINES, json={"engine": one.url})
        assert (response.status_code, response.json()["engines"]) == (200, [two.url])
        await gateway.chat("b")
        assert sessions(two) == ["b"]
        assert one.url in gateway.app.coordinator.fleet.gates
        hold.open.set()
        assert (await answering).status_code == 200
        await gateway.until(lambda: [monitor.engine for monitor in gateway.app.monitors] == [two.url])
        scrapes = one.scrapes
        await gateway.chat("a")
        assert sessions(two) == ["b", "a"]
        await asyncio.sleep(0.15)
        assert one.scrapes == scrapes, "nobody asks it anything any more"
        assert one.url not in (await gateway.client.get("/metrics")).text


async def test_ranks_come_and_go_together() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url) as gateway:
        await gateway.client.post(ENGINES, json={"engine": f"{two.url}#dp=2"})
        names = [f"{two.url}#rank=0", f"{two.url}#rank=1"]
        assert [monitor.engine for monitor in gateway.app.monitors] == [one.url, *names]
        twice = await gateway.client.post(ENGINES, json={"engine": two.url})
        assert (twice.status_code, twice.json()["error"]["code"]) == (409, "conflict")
        await gateway.client.request("DELETE", ENGINES, json={"engine": f"{two.url}#dp=2"})
        await gateway.until(lambda: len(gateway.app.monitors) == 1)


@pytest.mark.parametrize(
    ("method", "body", "status", "code"),
    [
        ("POST", b"{", 400, "wrong_body"),
        ("POST", b"{}", 400, "wrong_body"),
        ("POST", b'{"engine": 7}', 400, "wrong_body"),
        ("POST", b'{"engine": "gpu:8000"}', 400, "wrong_body"),
        ("POST", '{"engine": "http://gpü:8000"}'.encode(), 400, "wrong_body"),
        ("POST", b'{"engine": "http://gpu\\u0001:8000"}', 400, "wrong_body"),
        ("POST", b'{"engine": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
        ("DELETE", b'{"engine": "http://127.0.0.1:10"}', 404, "no_engine"),
        ("DELETE", b'{"engine": "http://127.0.0.1:9"}', 409, "last_engine"),
    ],
)
async def test_what_cannot_be_done_is_said_in_openais_shape(method: str, body: bytes, status: int, code: str) -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        response = await gateway.client.request(method, ENGINES, content=body)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert response.json()["error"]["message"]
        assert len(gateway.app.monitors) == 1


async def test_each_address_of_a_name_is_an_engine() -> None:
    async with scripted_engine() as one:
        port = int(one.url.rpartition(":")[2])
        async with running_gateway(engine_dns=[f"http://localhost:{port}"]) as gateway:
            await gateway.until(lambda: one.url in [monitor.engine for monitor in gateway.app.monitors])
            await gateway.until(lambda: one.scrapes > 2)
            assert (await gateway.chat("a")).status_code == 200
            await gateway.until(lambda: all("localhost" not in monitor.engine for monitor in gateway.app.monitors))
