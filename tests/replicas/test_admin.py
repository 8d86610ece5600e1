"""The admin API of real processes gives the same answers on every replica."""

import asyncio
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.replicas.agents import CHAT
from tests.replicas.client import Failed, ask, send
from tests.replicas.cluster import Cluster, metrics
from tests.replicas.server import Server
from tests.replicas.small import ENGINE_FLAGS, WINDOW


async def chat(replica: Server, session: str) -> None:
    body = {"model": "emulated", "messages": [{"role": "user", "content": session}], "max_tokens": 4, "stream": True}
    headers = f"x-session-id: {session}\r\nx-session-end: true\r\n"
    await send(replica.port, "POST", CHAT, headers=headers, body=body)


async def split(cluster: Cluster) -> tuple[Server, Server]:
    """The leader and a follower."""
    leader = await cluster.agreed()
    (follower,) = [replica for replica in cluster.replicas if replica is not leader]
    return leader, follower


@pytest.fixture(name="more")
async def _more(cluster: Cluster) -> AsyncIterator[Server]:
    """An engine that no settings name."""
    engine = Server("engine-more", "engine", *ENGINE_FLAGS, log=cluster.folder / "engine-more.log")
    await engine.start()
    yield engine
    engine.kill()


async def test_a_follower_answers_for_the_fleet(cluster: Cluster) -> None:
    leader, follower = await split(cluster)
    headers = "x-session-id: told\r\n"
    body = {"model": "emulated", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}
    await send(leader.port, "POST", CHAT, headers=headers, body=body)
    listed = await ask(follower, "GET", "sessions?session_id=told")
    assert [row["session_id"] for row in listed["sessions"]] == ["told"]
    with pytest.raises(Failed) as unknown:
        await ask(follower, "POST", "sessions/pause", {"session_id": "nobody"})
    assert unknown.value.status == 404
    command = (sys.executable, "-m", "concur_proxy", "status", "--url", follower.url, "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    state = msgspec.json.decode(told)
    assert (process.returncode, state["role"], state["replicas"]) == (0, "leading", 2)
    assert "told" in [row["session_id"] for row in state["sessions"]]
    assert (await ask(follower, "POST", "sessions/end", {"session_id": "told"}))["done"] == "end"


async def test_what_people_set_outlives_kill_9_of_the_leader_and_is_every_replica_s(
    cluster: Cluster, more: Server
) -> None:
    leader, follower = await split(cluster)
    gone, stays = cluster.engines
    window = {"sessions": 2, "tokens": None, "by_hand": True}
    await ask(follower, "PUT", "law", {"engine": stays.url, "law": "static", "options": {"window": 5}})
    await ask(follower, "PUT", "window", {"engine": stays.url, "sessions": 2})
    await ask(follower, "POST", "engines", {"engine": more.url})
    await ask(follower, "DELETE", "engines", {"engine": gone.url})
    leader.kill()
    assert await cluster.agreed() is follower
    await leader.start()
    await cluster.agreed()
    for replica in cluster.replicas:
        assert (await ask(replica, "GET", "engines"))["engines"] == [stays.url, more.url]
        async with asyncio.timeout(10):  # a removed engine is forgotten a moment later
            while await engines_of(replica) != [stays.url, more.url]:
                await asyncio.sleep(0.05)
        (row,) = [each for each in (await ask(replica, "GET", "state"))["engines"] if each["engine"] == stays.url]
        assert (row["window"], row["law"]["options"]) == (window, {"window": 5})
    before = await answered(gone)
    pairs = enumerate([leader, follower] * 2 * WINDOW)
    await asyncio.gather(*(chat(replica, f"{number}") for number, replica in pairs))
    assert await answered(gone) == before
    assert await answered(more) > 0

    await ask(leader, "DELETE", "window", {"engine": stays.url})
    async with asyncio.timeout(10):
        while (await cluster.standings())[follower].windows[stays.url] != 5:
            await asyncio.sleep(0.05)
    await ask(leader, "PUT", "law", {"engine": stays.url, "law": "static", "options": {"window": WINDOW}})
    await ask(leader, "POST", "engines", {"engine": gone.url})
    listed = await ask(leader, "DELETE", "engines", {"engine": more.url})
    assert (set(listed["engines"]), listed["removed"]) == ({gone.url, stays.url}, [])


async def engines_of(replica: Server) -> list[str]:
    """The engines to which this replica would send requests."""
    told = msgspec.json.decode((await send(replica.port, "GET", "/readyz")).body)
    return [engine["engine"] for engine in told["engines"]]


async def answered(engine: Server) -> float:
    samples = await metrics(engine)
    assert samples is not None
    return sum(value for (name, _), value in samples.items() if name == "vllm:generation_tokens_total")
