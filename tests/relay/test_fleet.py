"""Several engines behind one gateway."""

import asyncio
import json
import re

import pytest

from concur_proxy.relay import exchange
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, answer, scripted_engine


def sessions(engine: ScriptedEngine) -> list[str | None]:
    return [request.header("x-session-id") for request in engine.received]


def port_of(engine: ScriptedEngine) -> int:
    return int(engine.url.rpartition(":")[2])


async def test_sessions_spread_over_the_engines_and_stay_on_theirs() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url, two.url) as gateway:
        for _ in range(3):
            for session in ("a", "b", "c", "d"):
                assert (await gateway.chat(session)).status_code == 200
        assert len(one.received) == len(two.received) == 6
        assert set(sessions(one)).isdisjoint(sessions(two))


async def test_new_sessions_avoid_an_engine_that_is_down_and_its_sessions_move() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url, two.url) as gateway:
        await asyncio.gather(*(gateway.chat(session) for session in ("a", "b")))
        moving = sessions(one)[0]
        await one.stop()
        # The scrapes notice it, and no request is lost.
        await gateway.until(lambda: one.url in gateway.app.coordinator.fleet.down)
        statuses = [(await gateway.chat(session)).status_code for session in (moving, "c", "d")]
        assert statuses == [200] * 3
        assert sessions(two)[-3:] == [moving, "c", "d"]
        assert (await gateway.client.get("/readyz")).status_code == 200


async def test_an_engine_that_returns_is_used_again() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url, two.url) as gateway:
        port = port_of(one)
        await one.stop()
        await gateway.until(lambda: one.url in gateway.app.coordinator.fleet.down)
        await gateway.chat("a")
        await one.start(port)
        await gateway.until(lambda: one.url not in gateway.app.coordinator.fleet.down)
        await gateway.chat("b")
        assert sessions(one) == ["b"]


@pytest.mark.parametrize("learns", [True, False])
async def test_an_engine_that_only_the_leader_knows_yet(monkeypatch: pytest.MonkeyPatch, *, learns: bool) -> None:
    monkeypatch.setattr(exchange, "KNOWN_EVERY_S", 0.02)
    monkeypatch.setattr(exchange, "KNOWN_TRIES", 1000 if learns else 3)
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        assert (await gateway.chat("a")).status_code == 200
        monitors = gateway.app._pool.monitors
        monitor = monitors.pop(engine.url)
        asked = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: gateway.app.coordinator.fleet.gates[engine.url].snapshot().in_flight == 1)
        if learns:
            await asyncio.sleep(0.05)
            monitors[engine.url] = monitor
        answer = await asked
        monitors[engine.url] = monitor
        assert (answer.status_code, len(engine.received)) == ((200, 2) if learns else (502, 1))
        await gateway.settled()


def _response(number: int, **more: object) -> dict[str, object]:
    return {"id": f"resp_{number}", "object": "response", "status": "completed", "output": [], **more}


async def _respond(gateway: RunningGateway, **more: object) -> str:
    response = await gateway.client.post("/v1/responses", json={"model": "m", "input": "x", **more})
    name: str = response.json()["id"]
    return name


@pytest.mark.parametrize("usage", [None, {"input_tokens": 1, "output_tokens": 1}], ids=["background", "with usage"])
async def test_a_response_is_retrieved_and_cancelled_where_it_was_made(usage: object) -> None:
    def makes(first: int) -> ScriptedEngine:
        async def script(exchange: Exchange) -> None:
            made = engine.most_in_flight + first
            named = re.search(r"resp_\d+", exchange.request.target)
            await exchange.json(_response(made, usage=usage) if named is None else {"at": first, "of": named[0]})

        engine = ScriptedEngine(script=script)
        return engine

    one, two = makes(100), makes(200)
    await one.start()
    await two.start()
    try:
        async with running_gateway(one.url, two.url) as gateway:
            for key in ("a", "b"):
                await _respond(gateway, session_id=key)
            for number, at in ((101, 100), (201, 200)):
                expected = {"at": at, "of": f"resp_{number}"}
                assert (await gateway.client.get(f"/v1/responses/resp_{number}")).json() == expected
                assert (await gateway.client.post(f"/v1/responses/resp_{number}/cancel")).json() == expected
    finally:
        await one.stop()
        await two.stop()


async def test_a_streamed_response_can_be_cancelled_before_it_has_ended() -> None:
    cancelled = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.request.target.endswith("/cancel"):
            cancelled.set()
            await exchange.json({"cancelled": True})
            return
        await exchange.start_stream()
        await exchange.chunk(b'event: response.created\ndata: {"response":{"id":"resp_7"}}\n\n')
        await cancelled.wait()
        await exchange.chunk(b"")

    async with (
        scripted_engine(script=script) as one,
        scripted_engine(script=script) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        body = {"model": "m", "input": "x", "stream": True}
        async with gateway.client.stream("POST", "/v1/responses", json=body) as response:
            assert b"resp_7" in await anext(response.aiter_raw())
            assert (await gateway.client.post("/v1/responses/resp_7/cancel")).json() == {"cancelled": True}
        made, other = (one, two) if one.received else (two, one)
        assert [request.target for request in made.received] == ["/v1/responses", "/v1/responses/resp_7/cancel"]
        assert other.received == []


async def test_a_call_that_goes_on_from_a_response_belongs_to_its_session() -> None:
    made = iter(range(1, 10))

    async def script(exchange: Exchange) -> None:
        await exchange.json(_response(next(made), usage={"input_tokens": 1, "output_tokens": 1}))

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:

        def known() -> list[str]:
            return [session.key for session in gateway.app.coordinator.fleet.gates[engine.url].sessions]

        first = await _respond(gateway, session_id="keyed")
        await _respond(gateway, previous_response_id=first)
        assert known() == ["keyed"]
        unkeyed = await _respond(gateway)
        names = known()
        assert len(names) == 2, "a request without a key begins a conversation"
        second = await _respond(gateway, previous_response_id=unkeyed)
        await _respond(gateway, previous_response_id=second)
        assert known() == names


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thread_of_messages_is_one_session(*, stream: bool) -> None:
    made = iter(range(1, 10))

    async def script(exchange: Exchange) -> None:
        message = {"id": f"msg_{next(made)}", "type": "message", "usage": {"input_tokens": 1, "output_tokens": 1}}
        if not stream:
            await exchange.json(message)
            return
        await exchange.start_stream()
        event = json.dumps({"type": "message_start", "message": message}).encode()
        await exchange.chunk(b"event: message_start\ndata: " + event + b"\n\n")
        await exchange.chunk(b"")

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:

        async def post(**thread: str) -> None:
            body = {"model": "m", "messages": [], "stream": stream, "thread": thread}
            assert (await gateway.client.post("/v1/messages", json=body)).status_code == 200

        await post(type="create")
        await post(type="continue", previous_message_id="msg_1")
        await post(type="continue", previous_message_id="msg_2")
        keys = [session.key for session in gateway.app.coordinator.fleet.gates[engine.url].sessions]
        assert keys == ["msg_1"]


async def test_a_request_that_makes_no_tokens_avoids_an_engine_that_is_down() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url, two.url) as gateway:
        await one.stop()
        await gateway.until(lambda: one.url in gateway.app.coordinator.fleet.down)
        assert (await gateway.client.post("/v1/embeddings", json={})).json() == answer()
        assert len(two.received) == 1


async def test_a_session_that_was_forgotten_comes_back_to_its_engine_where_its_key_decides() -> None:
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url, placement="consistent-hash") as gateway,
    ):
        keys = [f"agent-{number}" for number in range(8)]
        for _ in range(2):
            for key in keys:
                await gateway.chat(key)
                await gateway.client.post("/concur/v1/sessions/release", json={"session_id": key})
        assert set(sessions(one)).isdisjoint(sessions(two))
        assert sorted(sessions(one) + sessions(two)) == sorted(2 * keys)  # type: ignore[type-var]
