"""kill -9 under load: of a replica, and of a Redis that loses all its data."""

import asyncio

import pytest

from tests.replicas.client import Failed, ask
from tests.replicas.cluster import Cluster
from tests.replicas.under_load import agents_at_work, answers_come

AWAY_S = 3.0
"""Long enough for the gateways to notice, and to continue alone."""


@pytest.mark.parametrize("victim", ["leader", "follower"])
async def test_kill_9_of_a_replica_costs_nobody_a_place_but_its_own_requests(cluster: Cluster, victim: str) -> None:
    leader = await cluster.agreed()
    (follower,) = [replica for replica in cluster.replicas if replica is not leader]
    killed = leader if victim == "leader" else follower
    async with agents_at_work(cluster, forces=lambda failure: failure.replica is killed and failure.kind != "status"):
        killed.kill()
        assert await cluster.agreed() is not killed


async def test_kill_9_of_redis_with_all_its_data_is_not_seen_by_any_client(cluster: Cluster) -> None:
    async with agents_at_work(cluster, forces=lambda _: False) as agents:
        cluster.redis.kill()
        await asyncio.sleep(AWAY_S)
        assert {standing.role for standing in (await cluster.standings()).values()} == {"alone"}
        await answers_come(agents)
        for replica in cluster.replicas:
            state = await ask(replica, "GET", "state")
            assert state["role"] == "alone", "it tells of itself, and says so"
            with pytest.raises(Failed, match="409"):
                await ask(replica, "PUT", "window", {"engine": cluster.engines[0].url, "sessions": 1})
        await asyncio.to_thread(cluster.redis.start)
