"""A request that was refused after a wait and comes again keeps its turn, also without a session's name."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from secrets import token_hex

import pytest

from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Hold, ScriptedEngine, answer_at_once, scripted_engine

Body = dict[str, object]

ONE_PLACE: Body = {"law": "static", "law_options": {"window": 1}, "idle_lease": 0}
SHORT_WAIT = {"x-stainless-timeout": "0.2"}
CHAT: Body = {"model": "m", "messages": [{"role": "user", "content": "first come"}]}
SEVERAL: Body = {"model": "m", "prompt": ["one", "two"]}
"""Several prompts in one request: the gateway sees no conversation in them."""


class Scene:
    """One engine that is busy, and one or two gateways in front of it."""

    def __init__(self, engine: ScriptedEngine, gateways: list[RunningGateway]) -> None:
        self.engine = engine
        self.first, self.last = gateways[0], gateways[-1]
        self.hold = engine.script = Hold()

    @property
    def leader(self) -> RunningGateway:
        return next(each for each in (self.first, self.last) if each.app.coordinator.status.leads)

    async def begin(self) -> "asyncio.Task[int]":
        """Send a request that fills the engine."""
        running = asyncio.create_task(self.send(self.first, {"model": "m"}, **{"x-session-id": "busy"}))
        await self.first.until(lambda: self.engine.in_flight == 1)
        self.engine.script = answer_at_once
        return running

    async def send(self, gateway: RunningGateway, body: Body, **headers: str) -> int:
        path = "/v1/completions" if "prompt" in body else "/v1/chat/completions"
        return (await gateway.client.post(path, json=body, headers=headers)).status_code

    async def wait(self, gateway: RunningGateway, body: Body, **headers: str) -> "asyncio.Task[int]":
        """Send a request that waits."""
        before = self.leader.snapshot().held
        waiting = asyncio.create_task(self.send(gateway, body, **headers))
        await gateway.until(lambda: self.leader.snapshot().held == before + 1)
        return waiting

    def served(self) -> list[Body]:
        """The bodies of the requests that came after the first one, in order."""
        return [json.loads(request.body) for request in self.engine.received[1:]]


@asynccontextmanager
async def scene(*, gateways: int = 1, **settings: object) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(scripted_engine())
        running = [
            await stack.enter_async_context(running_gateway(engine.url, **ONE_PLACE, **settings))
            for _ in range(gateways)
        ]
        for gateway in running:
            await gateway.until(lambda gateway=gateway: gateway.app.coordinator.status.replicas >= gateways)  # type: ignore[misc]
        yield Scene(engine, running)


async def order_after_a_refusal(scene: Scene, body: Body, again: Body, **headers: str) -> bool:
    """Let a request be refused, another one queue, and the first come again. Returns whether it keeps its turn."""
    running = await scene.begin()
    assert await scene.send(scene.first, body, **SHORT_WAIT) == 429
    other = await scene.wait(scene.first, {"model": "m", "messages": [{"role": "user", "content": "later"}]})
    back = await scene.wait(scene.last, again, **headers)
    scene.hold.open.set()
    assert {await running, await other, await back} == {200}
    return scene.served()[0] == again


@pytest.mark.parametrize("body", [CHAT, SEVERAL])
async def test_a_request_that_comes_again_keeps_its_turn(body: Body) -> None:
    async with scene() as it:
        assert await order_after_a_refusal(it, body, body)


async def test_a_retry_as_a_stream_is_the_same_conversation() -> None:
    async with scene() as it:
        assert await order_after_a_refusal(it, CHAT, {**CHAT, "stream": True, "temperature": 1})


@pytest.mark.parametrize("body", [CHAT, SEVERAL])
async def test_a_request_of_another_client_has_no_turn_to_keep(body: Body) -> None:
    async with scene(order="resuming-first") as it:  # the default order would serve the other client first
        assert not await order_after_a_refusal(it, body, body, authorization="Bearer of somebody else")


async def test_another_request_has_no_turn_to_keep() -> None:
    async with scene() as it:
        assert not await order_after_a_refusal(it, SEVERAL, {**SEVERAL, "prompt": ["one", "three"]})


async def test_a_request_keeps_its_turn_also_if_no_prompt_is_compared() -> None:
    async with scene(recognisers=("headers",)) as it:
        assert await order_after_a_refusal(it, CHAT, CHAT)


@pytest.mark.parametrize("body", [CHAT, SEVERAL])
async def test_a_request_keeps_its_turn_through_another_gateway(redis: RedisServer, body: Body) -> None:
    shared = {"store": "redis", "redis_url": redis.url, "redis_prefix": token_hex(4)}
    async with scene(gateways=2, **shared) as it:
        assert await order_after_a_refusal(it, body, body)


async def test_equal_requests_at_the_same_time_are_different_sessions() -> None:
    async with scene() as it:
        running = await it.begin()
        waiting = [await it.wait(it.first, SEVERAL) for _ in range(3)]
        assert it.first.snapshot().waiting == 3
        it.hold.open.set()
        assert await asyncio.gather(running, *waiting) == [200] * 4


async def test_a_request_that_was_served_leaves_no_session() -> None:
    async with scene() as it:
        await order_after_a_refusal(it, SEVERAL, SEVERAL)
        gate = it.first.app.coordinator.fleet.gates[it.engine.url]
        assert not [session.key for session in gate.sessions if session.one_shot]
