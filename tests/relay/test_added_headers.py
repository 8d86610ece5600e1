"""The headers that the gateway adds to requests and answers, and how to switch them off."""

import asyncio

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, Hold, answer, scripted_engine

ALL = {"x-request-id", "x-concur-queue-wait-s", "x-concur-engine", "x-concur-session-state"}
ONE_PLACE = {"law": "static", "law_options": {"window": 1}, "idle_lease": 0}


async def test_a_request_is_named_for_engine_and_client() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        made = [await gateway.chat("a") for _ in range(2)]
        named = await gateway.client.post("/v1/chat/completions", json={}, headers={"x-request-id": "mine"})
    ids = [got.headers["x-request-id"] for got in (*made, named)]
    assert [request.header("x-request-id") for request in engine.received] == ids
    assert len(set(ids)) == 3
    assert ids[2] == "mine"


async def test_an_engines_own_id_passes() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json(answer(), headers="X-Request-Id: theirs\r\n")

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        assert (await gateway.chat("a")).headers.get_list("x-request-id") == ["theirs"]


async def test_the_wait_and_the_engine_are_told() -> None:
    hold = Hold()
    options = {"law": "static", "law_options": {"window": 1}}
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **options) as gateway:
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: len(engine.received) == 1)
        second = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        await asyncio.sleep(0.1)
        hold.open.set()
        await first
        await gateway.client.post("/concur/v1/sessions/release", json={"session_id": "a"})
        answers = [await first, await second]
    waits = [float(got.headers["x-concur-queue-wait-s"]) for got in answers]
    assert waits[0] < 0.1 <= waits[1]
    assert {got.headers["x-concur-engine"] for got in answers} == {engine.url}


async def test_it_is_told_whether_the_session_had_its_place() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **ONE_PLACE) as gateway:
        told = [(await gateway.chat(session)).headers["x-concur-session-state"] for session in "aabab"]
    assert told == ["queued", "active", "queued", "paused", "paused"]


async def test_a_request_whose_session_is_not_known_says_so() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        assert (await gateway.chat()).headers["x-concur-session-state"] == "unrecognised"


async def test_a_request_that_is_not_admitted_is_counted_once_by_what_recognised_it() -> None:
    async with scripted_engine(script=Hold()) as engine:
        options = {"law": "static", "law_options": {"window": 1}, "max_hold_s": 0.1}
        async with running_gateway(engine.url, **options) as gateway:
            first = asyncio.create_task(gateway.chat("a"))
            await gateway.until(lambda: len(engine.received) == 1)
            refused = [await gateway.chat(), await gateway.chat("b")]
            left = asyncio.create_task(gateway.chat(messages=[{"role": "user", "content": "another task"}]))
            await gateway.until(lambda: gateway.snapshot().held == 1)
            left.cancel()
            await gateway.until(lambda: gateway.snapshot().held == 0)
            assert await gateway.metric("concur_unkeyed_requests_total") == 2
            assert await gateway.metric("concur_recognised_requests_total", by="headers") == 2
            first.cancel()
    assert [got.headers["x-concur-session-state"] for got in refused] == ["unrecognised", "queued"]


async def test_what_makes_no_tokens_tells_its_engine_too() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        got = await gateway.client.post("/v1/embeddings", json={"model": "m", "input": "a"})
    assert got.headers["x-concur-engine"] == engine.url
    assert "x-concur-queue-wait-s" not in got.headers


async def test_the_gateways_own_answers_are_named_too() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        for path in ("/healthz", "/metrics", "/concur/", "/concur/v1/state", "/nowhere"):
            assert len((await gateway.client.get(path)).headers["x-request-id"]) == 16
            named = await gateway.client.get(path, headers={"x-request-id": "mine"})
            assert named.headers.get_list("x-request-id") == ["mine"]


async def test_a_refusal_tells_how_long_it_was_held() -> None:
    async with scripted_engine(script=Hold()) as engine:
        options = {"law": "static", "law_options": {"window": 1}, "max_hold_s": 0.1}
        async with running_gateway(engine.url, **options) as gateway:
            first = asyncio.create_task(gateway.chat("a"))
            await gateway.until(lambda: len(engine.received) == 1)
            refused = await gateway.chat("b")
            first.cancel()
    assert refused.status_code == 429
    assert float(refused.headers["x-concur-queue-wait-s"]) >= 0.1
    assert "x-concur-engine" not in refused.headers


async def test_nothing_is_added_where_it_shall_not_be() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, tell_clients=False) as gateway:
        got = await gateway.chat("a")
    assert not ALL & got.headers.keys()
    assert engine.received[0].header("x-request-id") is None
