"""The two ways to update gateways that share a Redis, as deploy/docs/guides/update.md describes them."""

from tests.replicas.agents import Agents
from tests.replicas.cluster import Cluster
from tests.replicas.server import Server
from tests.replicas.tally import Failure
from tests.replicas.versions import Launcher

END_S = 20.0


def is_retryable(failure: Failure) -> bool:
    """Whether the request was refused before any work was done for it, with an answer that says so."""
    if failure.kind == "status":
        return failure.status == 503 and failure.retry_after_s is not None
    return failure.kind in {"refused", "broken"}


async def one_after_the_other(cluster: Cluster, launcher: Launcher) -> None:
    """Stop each gateway and start it again from another version. For versions with one protocol."""
    for replica in cluster.replicas:
        await renewed(cluster, replica, launcher)


async def renewed(cluster: Cluster, replica: Server, launcher: Launcher) -> None:
    """Stop a gateway and start it again from another version."""
    replica.terminate()
    assert await replica.ended(within_s=END_S) == 0
    await cluster.agreed()
    replica.launcher = launcher
    await replica.start()
    await cluster.agreed()


async def side_by_side(cluster: Cluster, agents: Agents, launcher: Launcher) -> None:
    """Start the new gateways, send new requests to them alone, then let the old ones drain. For any two versions."""
    old = list(cluster.replicas)
    new = [cluster.add_replica(launcher=launcher) for _ in old]
    for replica in new:
        await replica.start()
    agents.replicas = new
    for replica in old:
        replica.terminate()
    for replica in old:
        assert await replica.ended(within_s=END_S) == 0
        cluster.replicas.remove(replica)
    await cluster.agreed()
