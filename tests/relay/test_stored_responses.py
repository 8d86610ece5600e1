"""A stored response is found from any gateway: through Redis, in memory, or by asking the engines one after another."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from secrets import token_hex

import pytest

from concur_proxy.admission.changes import EndSession
from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, scripted_engine

_NUMBERS = itertools.count(1)


class Keeper:
    """An engine that keeps its responses."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.kept: set[str] = set()
        engine.script = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        request = exchange.request
        named = re.search(r"resp_\w+", request.target)
        if named is not None:
            known = named[0] in self.kept
            if request.method == "DELETE":
                self.kept.discard(named[0])
        elif previous := json.loads(request.body).get("previous_response_id"):
            known = previous in self.kept
        else:
            known = True
        if not known:
            await exchange.json({"error": {"message": "no such response"}}, status="404 Not Found")
            return
        name = f"resp_{next(_NUMBERS)}" if named is None else named[0]
        if named is None:
            self.kept.add(name)
        usage = {"input_tokens": 1, "output_tokens": 1}
        response = {"id": name, "object": "response", "status": "completed", "output": [], "usage": usage}
        if named is None and json.loads(request.body).get("stream"):
            await exchange.start_stream()
            for kind in ("response.created", "response.completed"):
                event = {"type": kind, "response": response}
                await exchange.chunk(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())
            await exchange.chunk(b"")
        else:
            await exchange.json(response)


@asynccontextmanager
async def two_keepers() -> AsyncIterator[tuple[Keeper, Keeper]]:
    async with scripted_engine() as one, scripted_engine() as two:
        yield Keeper(one), Keeper(two)


@asynccontextmanager
async def gateways(count: int, keepers: Sequence[Keeper], **settings: object) -> AsyncIterator[list[RunningGateway]]:
    async with AsyncExitStack() as stack:
        urls = [keeper.engine.url for keeper in keepers]
        running = [await stack.enter_async_context(running_gateway(*urls, **settings)) for _ in range(count)]
        for gateway in running:
            await gateway.until(lambda gateway=gateway: gateway.app.coordinator.status.replicas >= count)  # type: ignore[misc]
        yield running


async def respond(gateway: RunningGateway, **more: object) -> str:
    answer = await gateway.client.post("/v1/responses", json={"model": "m", "input": "x", **more})
    assert answer.status_code == 200, answer.text
    return str(re.findall(r"resp_\w+", answer.text)[-1])


async def statuses(gateways: Sequence[RunningGateway], names: Sequence[str]) -> set[int]:
    return {(await each.client.get(f"/v1/responses/{name}")).status_code for name in names for each in gateways}


def asked(keepers: Sequence[Keeper]) -> list[str]:
    return [request.target for keeper in keepers for request in keeper.engine.received if request.method != "POST"]


def shared(redis: RedisServer) -> dict[str, object]:
    return {"store": "redis", "redis_url": redis.url, "redis_prefix": token_hex(4)}


async def test_every_gateway_finds_every_response_also_after_all_have_been_restarted(redis: RedisServer) -> None:
    settings = shared(redis)
    async with two_keepers() as keepers:
        async with gateways(3, keepers, **settings) as running:
            names = [await respond(each, prompt_cache_key=f"agent-{n}") for n in range(4) for each in running]
            assert all(keeper.kept for keeper in keepers)
            assert await statuses(running, names) == {200}
        del running
        for keeper in keepers:
            keeper.engine.received.clear()
        async with gateways(2, keepers, **settings) as running:
            assert await statuses(running, names) == {200}
        assert len(asked(keepers)) == 2 * len(names), "no engine was asked for a response of another one"


ACTIONS = {
    "retrieve": ("GET", ""),
    "list its input": ("GET", "/input_items"),
    "cancel": ("POST", "/cancel"),
    "delete": ("DELETE", ""),
}


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"background": True}], ids=["whole", "stream", "background"])
async def test_twelve_of_twelve_work_through_another_gateway_also_after_its_restart(
    redis: RedisServer, more: dict[str, object]
) -> None:
    settings = {**shared(redis), "allow_paths": ("GET /v1/responses/*",)}
    async with two_keepers() as keepers:
        async with gateways(2, keepers, **settings) as (one, two):
            names = [await respond(one, prompt_cache_key=f"agent-{n}", **more) for n in range(12)]
            assert all(keeper.kept for keeper in keepers)
            for method, path in (ACTIONS["retrieve"], ACTIONS["list its input"], ACTIONS["cancel"]):
                answers = [await two.client.request(method, f"/v1/responses/{name}{path}") for name in names]
                assert [answer.status_code for answer in answers] == [200] * 12
        async with gateways(1, keepers, **settings) as (restarted,):
            for keeper in keepers:
                keeper.engine.received.clear()
            for method, path in ACTIONS.values():
                answers = [await restarted.client.request(method, f"/v1/responses/{name}{path}") for name in names]
                assert [answer.status_code for answer in answers] == [200] * 12
            assert len([1 for keeper in keepers for _ in keeper.engine.received]) == 48, "no other engine was asked"
            assert await statuses([restarted], names) == {404}


async def test_a_conversation_goes_on_through_any_gateway(redis: RedisServer) -> None:
    settings = shared(redis)
    async with two_keepers() as keepers, gateways(2, keepers, **settings) as running:
        last = {}
        for agent in ("a", "b", "c", "d"):
            last[agent] = await respond(running[0], prompt_cache_key=agent)
        assert all(keeper.kept for keeper in keepers)
        for turn in range(1, 6):
            for agent, name in last.items():
                last[agent] = await respond(running[turn % 2], previous_response_id=name)
        leader = next(each for each in running if each.app.coordinator.status.leads)
        gates = leader.app.coordinator.fleet.gates.values()
        assert len([session for gate in gates for session in gate.sessions]) == len(last)


@pytest.mark.parametrize("number", [1, 2])
async def test_a_forgotten_session_goes_on_at_the_engine_that_keeps_its_response(
    redis: RedisServer, number: int
) -> None:
    settings = shared(redis) if number > 1 else {}
    async with two_keepers() as keepers, gateways(number, keepers, **settings) as running:
        names = [await respond(running[0], prompt_cache_key=f"agent-{n}") for n in range(6)]
        assert all(keeper.kept for keeper in keepers)
        leader = next(each for each in running if each.app.coordinator.status.leads)
        gates = leader.app.coordinator.fleet.gates.values()
        await leader.until(lambda: not any(session.in_flight for gate in gates for session in gate.sessions))
        for session in [session for gate in gates for session in gate.sessions]:
            leader.app.coordinator.apply(EndSession(key=session.key))
        assert not any(len(gate.sessions) for gate in gates)
        for name in sorted(names, key=keepers[0].kept.__contains__):
            await respond(running[-1], previous_response_id=name)


async def test_after_a_restart_of_all_gateways_a_conversation_goes_on_at_its_engine(redis: RedisServer) -> None:
    settings = shared(redis)
    async with two_keepers() as keepers:
        async with gateways(1, keepers, **settings) as (gateway,):
            names = [await respond(gateway, prompt_cache_key=f"agent-{n}") for n in range(6)]
            assert all(keeper.kept for keeper in keepers)
        async with gateways(2, keepers, **settings) as running:
            for n, name in enumerate(sorted(names, key=keepers[0].kept.__contains__)):
                await respond(running[n % 2], previous_response_id=name)


async def test_a_response_that_is_not_stored_is_not_saved(redis: RedisServer) -> None:
    settings = shared(redis)
    async with two_keepers() as keepers, gateways(1, keepers, **settings) as (gateway,):
        unstored = await respond(gateway, store=False)
        stored = await respond(gateway)
        prefix = settings["redis_prefix"]
        key = f"{{{prefix}}}:*:response:{stored}"
        await gateway.until(lambda: bool(redis.client.keys(key)))
        assert 0 < redis.client.ttl(redis.client.keys(key)[0]) <= 24 * 3600
        assert not redis.client.keys(f"{{{prefix}}}:*:response:{unstored}")


async def test_without_redis_the_engines_are_asked_one_after_another() -> None:
    async with two_keepers() as keepers:
        async with gateways(1, keepers) as (gateway,):
            names = [await respond(gateway, prompt_cache_key=f"agent-{n}") for n in range(4)]
            assert all(keeper.kept for keeper in keepers)
        for keeper in keepers:
            keeper.engine.received.clear()
        async with gateways(1, keepers) as (gateway,):
            for name in names:
                assert (await gateway.client.post(f"/v1/responses/{name}/cancel")).status_code == 200
            assert await statuses([gateway], names) == {200}
            assert len(asked(keepers)) == len(names), "what was found once is known"
            missing = await gateway.client.get("/v1/responses/resp_missing")
            assert (missing.status_code, missing.json()) == (404, {"error": {"message": "no such response"}})
            assert (await gateway.client.delete(f"/v1/responses/{names[0]}")).status_code == 200
            assert await statuses([gateway], names[:1]) == {404}


@pytest.mark.parametrize("number", [0, 1])
async def test_no_engine_that_answers_hides_one_that_cannot_be_asked(number: int) -> None:
    """The client would take a 404 for an end, and never ask again."""
    async with two_keepers() as keepers, gateways(1, keepers) as (gateway,):
        keepers[number].engine.script = _break_off
        assert (await gateway.client.get("/v1/responses/resp_1")).status_code == 502
        keepers[1 - number].kept.add("resp_1")
        assert (await gateway.client.get("/v1/responses/resp_1")).status_code == 200


async def _break_off(exchange: Exchange) -> None:
    exchange.die()


async def test_a_redis_that_is_frozen_or_gone_delays_a_request_by_a_second_at_most() -> None:
    with RedisServer() as redis:
        async with two_keepers() as keepers, gateways(1, keepers, **shared(redis)) as (gateway,):
            name = await respond(gateway)
            keepers[0].kept.add("resp_other")
            redis.freeze()
            try:
                async with asyncio.timeout(10):
                    assert await statuses([gateway], [name, "resp_other"]) == {200}
                    await respond(gateway, prompt_cache_key="agent")
            finally:
                redis.thaw()
