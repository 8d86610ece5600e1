"""Faults of the processes, and the client failures that each of them causes inevitably."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from tests.coordination.redis_server import RedisServer
from tests.replicas.cluster import Cluster
from tests.replicas.namespace import RedisNamespace
from tests.replicas.server import Server
from tests.replicas.tally import Failure

AWAY_S = 5.0
"""Seconds until a killed engine or Redis comes back."""
A_DAY_S = "86400"

Victim = Literal["leader", "follower"]
NAMES = {"leader": "the leader", "follower": "a follower"}


class Fault(Protocol):
    """A fault."""

    name: str
    cluster: dict[str, Any]
    """Options with which the cluster must be made."""

    async def strike(self, cluster: Cluster) -> None:
        """Cause the fault. Returns when it is over."""
        ...

    def forces(self, failure: Failure) -> bool:
        """Whether no gateway could have prevented this failure."""
        ...


class Spared:
    """A fault that breaks no connection of a client and no answer of an engine, so no failure is inevitable."""

    def __init__(self, name: str, **cluster: Any) -> None:  # noqa: ANN401 - the cluster's own
        self.name = name
        self.cluster = cluster

    def forces(self, failure: Failure) -> bool:  # noqa: ARG002 - the protocol's
        return False


class KillReplica:
    """kill -9 of a replica that does not come back. Its answers break off, and it refuses connections."""

    def __init__(self, victim: Victim, name: str = "", **cluster: Any) -> None:  # noqa: ANN401 - the cluster's own
        self.name = name or f"kill -9 of {NAMES[victim]}"
        self.cluster = cluster
        self._victim = victim
        self._killed: Server | None = None

    async def strike(self, cluster: Cluster) -> None:
        self._killed = await find(self._victim, cluster)
        self._killed.kill()

    def forces(self, failure: Failure) -> bool:
        """Every failure except an answer with an error status."""
        return failure.replica is self._killed and failure.kind != "status"


class KillEngine:
    """kill -9 of an engine that comes back. Another engine cannot continue an answer that had begun."""

    name = f"kill -9 of an engine, back after {AWAY_S:g} s"

    def __init__(self) -> None:
        self.cluster: dict[str, Any] = {}

    async def strike(self, cluster: Cluster) -> None:
        cluster.engines[0].kill()
        await asyncio.sleep(AWAY_S)
        await cluster.engines[0].start()

    def forces(self, failure: Failure) -> bool:
        """Answers cut off in the middle."""
        return failure.kind == "cut"


class KillRedis(Spared):
    """kill -9 of Redis, which comes back."""

    async def strike(self, cluster: Cluster) -> None:
        cluster.redis.kill()
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(cluster.redis.start)


class Freeze(Spared):
    """SIGSTOP of a replica, an engine or Redis, and SIGCONT after some time."""

    def __init__(self, victim: Victim | Literal["engine", "Redis"], seconds: float) -> None:
        super().__init__(f"{NAMES.get(victim, victim)} frozen for {seconds:g} s".removeprefix("the "))
        self._victim = victim
        self._seconds = seconds

    async def strike(self, cluster: Cluster) -> None:
        frozen: Server | RedisServer
        match self._victim:
            case "engine":
                frozen = cluster.engines[0]
            case "Redis":
                frozen = cluster.redis
            case "leader" | "follower":
                frozen = await find(self._victim, cluster)
        frozen.freeze()
        await asyncio.sleep(self._seconds)
        frozen.thaw()


class Partition(Spared):
    """A network that delivers nothing between one replica and Redis for some time."""

    def __init__(self, victim: Victim, namespace: RedisNamespace, seconds: float) -> None:
        near, far = namespace.urls
        urls = [far, near] if victim == "leader" else [near, far]  # the replica that starts first leads
        name = f"{seconds:g} s without network between {NAMES[victim]} and Redis"
        super().__init__(name, redis=namespace.redis, redis_urls=urls)
        self._namespace = namespace
        self._seconds = seconds

    async def strike(self, cluster: Cluster) -> None:  # noqa: ARG002 - the protocol's
        """Cut the cable, and connect it again."""
        await asyncio.to_thread(self._namespace.cut, 1)
        await asyncio.sleep(self._seconds)
        await asyncio.to_thread(self._namespace.mend, 1)


async def find(victim: Victim, cluster: Cluster) -> Server:
    """The leader, or one of the others."""
    leader = await cluster.agreed()
    return leader if victim == "leader" else next(other for other in cluster.replicas if other is not leader)


def all_faults(freeze_s: float, namespace: RedisNamespace) -> Sequence[Fault]:
    """All faults in the order of the table."""
    later = ("unshare", "--time", "--monotonic", A_DAY_S, "--boottime", A_DAY_S, "--fork", "--kill-child")
    # only the library: the command `faketime` forks, so its own process would be killed and not the gateway
    library = "LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1"
    earlier = ("env", library, "FAKETIME=-1h", "FAKETIME_DONT_FAKE_MONOTONIC=1")
    return (
        KillReplica("follower"),
        KillReplica("leader"),
        KillEngine(),
        KillRedis(f"kill -9 of Redis, back with its data after {AWAY_S:g} s", redis=RedisServer(keeps=True)),
        KillRedis(f"kill -9 of Redis, back with nothing after {AWAY_S:g} s"),
        Freeze("follower", freeze_s),
        Freeze("leader", freeze_s),
        Freeze("engine", freeze_s),
        Freeze("Redis", freeze_s),
        Partition("follower", namespace, freeze_s),
        Partition("leader", namespace, freeze_s),
        KillReplica("leader", "kill -9 of a leader whose monotonic clock is a day ahead", launchers=[later]),
        KillReplica("leader", "kill -9 of a leader whose time of day is an hour behind", launchers=[earlier]),
    )
