"""The processes that these tests share, because starting them takes longer than a test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.replicas.cluster import Cluster
from tests.replicas.small import ENGINE_FLAGS, GATEWAY_FLAGS


@pytest_asyncio.fixture(name="processes", scope="package", loop_scope="package")
async def _processes() -> AsyncIterator[Cluster]:
    async with Cluster(replicas=2, engines=2, engine_flags=ENGINE_FLAGS, gateway_flags=GATEWAY_FLAGS) as cluster:
        yield cluster


@pytest.fixture(name="cluster")
async def _cluster(processes: Cluster) -> Cluster:
    """All processes are running, and the replicas agree on a leader."""
    for server in (*processes.engines, *processes.replicas):
        if not server.is_running:
            await server.start()
    await processes.agreed()
    return processes
