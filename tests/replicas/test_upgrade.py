"""Upgrade and rollback under load: an agent that repeats a refused request loses none."""

from pathlib import Path

import pytest

from tests.replicas.cluster import Cluster
from tests.replicas.small import ENGINE_FLAGS, GATEWAY_FLAGS
from tests.replicas.under_load import agents_at_work
from tests.replicas.upgrades import is_retryable, one_after_the_other, side_by_side
from tests.replicas.versions import BEFORE, Launcher, NoSuchVersion, version_of, with_another_protocol


def cluster_of(*launchers: Launcher) -> Cluster:
    flags = {"engine_flags": ENGINE_FLAGS, "gateway_flags": GATEWAY_FLAGS}
    return Cluster(replicas=len(launchers), engines=1, launchers=launchers, **flags)  # type: ignore[arg-type]


async def test_an_upgrade_of_one_gateway_after_the_other_and_its_rollback_lose_no_request(tmp_path: Path) -> None:
    try:
        before = version_of(BEFORE, tmp_path)
    except NoSuchVersion as missing:
        pytest.skip(f"needs the history of the repository: {missing}")
    async with cluster_of(before, before) as cluster, agents_at_work(cluster, forces=is_retryable):
        await one_after_the_other(cluster, ())
        first = cluster.replicas[:1]
        await one_after_the_other(cluster, before)
        assert cluster.replicas[:1] == first


async def test_versions_with_different_protocols_are_updated_side_by_side(tmp_path: Path) -> None:
    other = with_another_protocol(tmp_path)
    async with cluster_of(other) as cluster, agents_at_work(cluster, forces=is_retryable) as agents:
        await side_by_side(cluster, agents, ())
