"""A short form of `python -m tests.replicas.upgrade`: an agent that repeats a refused request loses none."""

from pathlib import Path

import pytest

from tests.replicas.cluster import Cluster
from tests.replicas.small import ENGINE_FLAGS, GATEWAY_FLAGS
from tests.replicas.under_load import agents_at_work
from tests.replicas.upgrades import is_retryable, renewed, side_by_side
from tests.replicas.versions import BEFORE, Launcher, NoSuchVersion, version_of, with_another_protocol


def cluster_of(*launchers: Launcher) -> Cluster:
    count = len(launchers)
    return Cluster(
        replicas=count, engines=1, launchers=launchers, engine_flags=ENGINE_FLAGS, gateway_flags=GATEWAY_FLAGS
    )


async def test_a_gateway_follows_one_of_the_version_before_and_takes_over_from_it(tmp_path: Path) -> None:
    try:
        before = version_of(BEFORE, tmp_path)
    except NoSuchVersion as missing:
        pytest.skip(f"needs the history of the repository: {missing}")
    async with cluster_of(before, ()) as cluster:
        old, new = cluster.replicas
        assert await cluster.agreed() is old
        async with agents_at_work(cluster, forces=is_retryable):
            await renewed(cluster, old, ())
        assert await cluster.agreed() is new


async def test_versions_with_different_protocols_are_updated_side_by_side(tmp_path: Path) -> None:
    other = with_another_protocol(tmp_path)
    async with cluster_of(other) as cluster, agents_at_work(cluster, forces=is_retryable) as agents:
        await side_by_side(cluster, agents, ())
