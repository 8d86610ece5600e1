"""SIGTERM of one replica after another: a request that fails succeeds when the client sends it again."""

import asyncio

import pytest

from tests.replicas.agents import CHAT
from tests.replicas.client import Answer, Failed, send
from tests.replicas.cluster import Cluster
from tests.replicas.server import Server
from tests.replicas.small import WINDOW
from tests.replicas.under_load import agents_at_work
from tests.replicas.upgrades import END_S, is_retryable, one_after_the_other


async def test_each_replica_in_turn_ends_and_comes_back_under_load(cluster: Cluster) -> None:
    async with agents_at_work(cluster, forces=is_retryable):
        await one_after_the_other(cluster, ())


ENDLESS = 100_000
"""Tokens of an answer that lasts until its client leaves."""


async def ask(replica: Server, session: str, *, tokens: int = 8, end: bool = True) -> Answer:
    headers = f"x-session-id: {session}\r\n" + ("x-session-end: true\r\n" if end else "")
    body = {"model": "emulated", "messages": [{"role": "user", "content": session}], "max_tokens": tokens}
    return await send(replica.port, "POST", CHAT, headers=headers, body=body | {"stream": True})


async def until_counted(cluster: Cluster, *, in_flight: int, held: int) -> None:
    async with asyncio.timeout(10):
        while True:
            told = (await cluster.standings()).values()
            if any((each.in_flight, each.held) == (in_flight, held) for each in told if each.role == "leading"):
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("ending", ["leader", "follower"])
async def test_who_was_held_there_finds_its_place_in_the_line_elsewhere(cluster: Cluster, ending: str) -> None:
    leader = await cluster.agreed()
    (follower,) = [replica for replica in cluster.replicas if replica is not leader]
    goes, stays = (leader, follower) if ending == "leader" else (follower, leader)
    places = WINDOW * len(cluster.engines)
    busy = [asyncio.create_task(ask(goes, f"busy-{ending}-{number}", tokens=ENDLESS)) for number in range(places)]
    await until_counted(cluster, in_flight=places, held=0)
    first = asyncio.create_task(ask(goes, f"first-{ending}"))
    await until_counted(cluster, in_flight=places, held=1)
    later = [asyncio.create_task(ask(stays, f"later-{ending}-{number}", tokens=75)) for number in range(places)]
    await until_counted(cluster, in_flight=places, held=1 + places)
    goes.terminate()
    with pytest.raises(Failed) as refused:
        await first
    assert (refused.value.status, refused.value.retry_after_s is not None) == (503, True)
    again = asyncio.create_task(ask(stays, f"first-{ending}"))
    await until_counted(cluster, in_flight=places, held=1 + places)
    for task in busy:
        task.cancel()
    assert (await again).status == 200
    assert not any(task.done() for task in later)
    assert [answer.status for answer in await asyncio.gather(*later)] == [200] * places
    assert await goes.ended(within_s=END_S) == 0
    assert await cluster.leaked(within_s=END_S) == 0
