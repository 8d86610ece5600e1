"""The admin API of several gateways that share a real Redis: every gateway gives the same answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from secrets import token_hex
from typing import Any

import pytest
from redis.asyncio import Redis

from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.group import calls
from concur_proxy.coordination.redis.link import PROTOCOL
from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, scripted_engine, sessions

V1 = "/concur/v1"
STATIC: dict[str, object] = {"law": "static", "law_options": {"window": 4}, "work_conserving": False}


class Fleet:
    """Two gateways that share their state, and one of their engines."""

    def __init__(self, engine: ScriptedEngine, leader: RunningGateway, follower: RunningGateway) -> None:
        self.engine = engine
        self.leader = leader
        self.follower = follower


@pytest.fixture(name="fleet")
async def _fleet(redis: RedisServer) -> AsyncIterator[Fleet]:
    shared: dict[str, object] = {"store": "redis", "redis_url": redis.url, "redis_prefix": token_hex(4), **STATIC}
    async with scripted_engine() as engine, AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(running_gateway(engine.url, admin_key=key, **shared))
            for key in (None, "open sesame")
        ]
        two.client.headers["authorization"] = "Bearer open sesame"
        await two.until(lambda: one.app.coordinator.status.replicas == two.app.coordinator.status.replicas == 2)
        assert (one.app.coordinator.status.role, two.app.coordinator.status.role) == (Role.LEADING, Role.FOLLOWING)
        yield Fleet(engine, one, two)


async def test_a_follower_tells_and_does_what_the_leader_would(fleet: Fleet) -> None:
    asked, gate = fleet.follower.client, fleet.leader.app.coordinator.fleet.gates[fleet.engine.url]
    for key in "abc":
        await fleet.leader.chat(key)
    state = (await asked.get(f"{V1}/state")).json()
    assert (state["role"], state["replicas"], state["sessions_total"]) == ("leading", 2, 3)
    assert state["replica"] == fleet.follower.app.coordinator.status.leader
    listed = (await asked.get(f"{V1}/sessions")).json()
    assert {row["session_id"] for row in listed["sessions"]} == {"a", "b", "c"}
    one = await asked.get(f"{V1}/sessions", params={"session_id": "b"})
    assert [row["session_id"] for row in one.json()["sessions"]] == ["b"]
    for way in ("pause", "resume", "prioritise", "end"):
        assert (await asked.post(f"{V1}/sessions/{way}", json={"session_id": "nobody"})).status_code == 404
    assert (await asked.post(f"{V1}/sessions/pause", json={"session_id": "b"})).status_code == 200
    assert (session := gate.sessions.get("b")) is not None
    assert session.stopped
    assert (await asked.post(f"{V1}/sessions/end", json={"session_id": "b"})).status_code == 200
    assert gate.sessions.get("b") is None
    window = await asked.put(f"{V1}/window", json={"engine": fleet.engine.url, "sessions": 7})
    assert window.json()["window"] == {"sessions": 7, "tokens": None, "by_hand": True}
    assert gate.snapshot().window == 7
    law = await asked.put(f"{V1}/law", json={"engine": fleet.engine.url, "law": "off"})
    assert law.json()["law"] == {"name": "off", "options": {}, "enforced": False}
    assert not gate.is_enforcing
    wrong = await asked.put(f"{V1}/law", json={"engine": fleet.engine.url, "law": "offf"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "wrong_law")


async def test_what_cannot_be_written_does_not_silence_a_gateway(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    async def absurd(exchange: Exchange) -> None:
        usage = {"prompt_tokens": 10**30 if sessions(fleet.engine) == ["a"] else 10, "completion_tokens": 1}
        await exchange.json({"choices": [], "usage": usage})

    fleet.engine.script = absurd
    assert (await fleet.follower.chat("a")).status_code == 200
    async with asyncio.timeout(10):
        assert (await fleet.follower.chat("b")).status_code == 200
    assert "dropped token counts that cannot be true" in caplog.text
    await fleet.leader.until(
        lambda: fleet.leader.app.coordinator.fleet.gates[fleet.engine.url].snapshot().in_flight == 0
    )


async def test_a_leader_begins_with_nothing_where_it_cannot_read_what_was_written_down(redis: RedisServer) -> None:
    prefix = token_hex(4)
    client = Redis.from_url(redis.url)
    await client.set(f"{{{prefix}}}:{PROTOCOL}:standing", b"of another version")
    await client.aclose()
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, store="redis", redis_url=redis.url, redis_prefix=prefix, **STATIC) as gateway,
    ):
        await gateway.until(lambda: gateway.app.coordinator.status.role is Role.LEADING)
        assert (await gateway.chat("a")).status_code == 200


async def test_the_gateway_that_is_asked_lets_pass_or_not(fleet: Fleet) -> None:
    del fleet.follower.client.headers["authorization"]
    assert (await fleet.follower.client.get(f"{V1}/state")).status_code == 401
    assert (await fleet.leader.client.get(f"{V1}/state")).status_code == 200


async def test_a_window_and_a_law_that_are_set_outlive_the_leader(fleet: Fleet) -> None:
    named = {"engine": fleet.engine.url}
    await fleet.follower.client.put(f"{V1}/law", json={**named, "law": "aimd", "options": {"initial": 3}})
    await fleet.follower.client.put(f"{V1}/window", json={**named, "tokens": 5000})
    fleet.leader.app.drain()
    await fleet.follower.until(lambda: fleet.follower.app.coordinator.status.role is Role.LEADING)
    await fleet.leader.until(lambda: fleet.leader.app.coordinator.status.leader != "")
    await fleet.follower.until(lambda: fleet.follower.app.monitors[0].governor.has_heard)
    for gateway in (fleet.leader, fleet.follower):
        (engine,) = (await gateway.client.get(f"{V1}/state")).json()["engines"]
        assert engine["window"] == {"sessions": None, "tokens": 5000, "by_hand": True}
        assert (engine["law"]["name"], engine["law"]["options"]) == ("aimd", {"initial": 3})
    await fleet.leader.client.request("DELETE", f"{V1}/window", json=named)
    await fleet.follower.until(lambda: fleet.follower.snapshot().budget_tokens is None)
    assert fleet.follower.snapshot().window < 100


async def test_engines_come_and_go_for_all(fleet: Fleet) -> None:
    async with scripted_engine() as other:
        answer = await fleet.follower.client.post(f"{V1}/engines", json={"engine": other.url})
        assert answer.json()["engines"] == [fleet.engine.url, other.url]
        served = await asyncio.gather(*(fleet.follower.chat(key) for key in "abcd"))
        assert {response.status_code for response in served} == {200}
        assert sessions(other), "it is used at once, through the gateway that was asked"
        for gateway in (fleet.leader, fleet.follower):
            await gateway.until(lambda: len(gateway.app.monitors) == 2)  # noqa: B023 - awaited here
        answer = await fleet.follower.client.request("DELETE", f"{V1}/engines", json={"engine": fleet.engine.url})
        assert (answer.json()["engines"], answer.json()["removed"]) == ([other.url], [fleet.engine.url])
        for gateway in (fleet.leader, fleet.follower):
            await gateway.until(lambda: [each.engine for each in gateway.app.monitors] == [other.url])  # noqa: B023
        again = await asyncio.gather(*(gateway.chat("a") for gateway in (fleet.leader, fleet.follower)))
        assert {response.status_code for response in again} == {200}
        await fleet.leader.client.post(f"{V1}/engines", json={"engine": fleet.engine.url})
        await fleet.follower.until(lambda: len(fleet.follower.app.monitors) == 2)


async def test_a_silent_leader_is_named(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TOLD_S", 0.05)
    leader: Any = fleet.leader.app.coordinator
    monkeypatch.setattr(leader.upkeep, "_take", lambda _: None)
    answer = await fleet.follower.client.get(f"{V1}/state")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "leader_silent")
    assert fleet.follower.app.coordinator.status.leader in answer.json()["error"]["message"]
