"""What can happen to the processes, and which failures it forces upon clients."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from tests.coordination.redis_server import RedisServer
from tests.replicas.agents import Failure
from tests.replicas.cluster import Cluster
from tests.replicas.namespace import RedisNamespace
from tests.replicas.server import Server

AWAY_S = 5.0
"""How long an engine or Redis that was killed stays away."""
A_DAY_S = "86400"

Victim = Literal["leader", "follower"]
NAMES = {"leader": "the leader", "follower": "a follower"}


class Fault(Protocol):
    """One way of going wrong."""

    name: str
    cluster: dict[str, Any]
    """What the cluster must be made with."""

    async def strike(self, cluster: Cluster) -> None:
        """Let it happen; returns when it is over."""
        ...

    def forces(self, failure: Failure) -> bool:
        """Whether no gateway could have spared a client this."""
        ...


class Spared:
    """A fault that breaks no client's connection and no engine's answer: it forces nothing."""

    def __init__(self, name: str, **cluster: Any) -> None:  # noqa: ANN401 - the cluster's own
        self.name = name
        self.cluster = cluster

    def forces(self, failure: Failure) -> bool:  # noqa: ARG002 - the protocol's
        """Nothing is."""
        return False


class KillReplica:
    """kill -9 of a replica, which stays away: what it had in hand breaks off, and it takes no connection."""

    def __init__(self, victim: Victim, name: str = "", **cluster: Any) -> None:  # noqa: ANN401 - the cluster's own
        self.name = name or f"kill -9 of {NAMES[victim]}"
        self.cluster = cluster
        self._victim = victim
        self._killed: Server | None = None

    async def strike(self, cluster: Cluster) -> None:
        """Kill it."""
        self._killed = await find(self._victim, cluster)
        self._killed.kill()

    def forces(self, failure: Failure) -> bool:
        """What is not an answer of its own."""
        return failure.replica is self._killed and failure.kind != "status"


class KillEngine:
    """kill -9 of an engine, which comes back: an answer that had begun cannot be ended by another."""

    name = f"kill -9 of an engine, back after {AWAY_S:g} s"

    def __init__(self) -> None:
        self.cluster: dict[str, Any] = {}

    async def strike(self, cluster: Cluster) -> None:
        """Kill it, and start it again."""
        cluster.engines[0].kill()
        await asyncio.sleep(AWAY_S)
        await cluster.engines[0].start()

    def forces(self, failure: Failure) -> bool:
        """Answers cut off in the middle."""
        return failure.kind == "cut"


class KillRedis(Spared):
    """kill -9 of Redis, which comes back."""

    async def strike(self, cluster: Cluster) -> None:
        """Kill it, and start it again."""
        cluster.redis.kill()
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(cluster.redis.start)


class Freeze(Spared):
    """SIGSTOP of a replica, an engine or Redis, and SIGCONT."""

    def __init__(self, victim: Victim | Literal["engine", "Redis"], seconds: float) -> None:
        super().__init__(f"{NAMES.get(victim, victim)} frozen for {seconds:g} s".removeprefix("the "))
        self._victim = victim
        self._seconds = seconds

    async def strike(self, cluster: Cluster) -> None:
        """Freeze it for a while."""
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
    """A network that delivers nothing between one replica and Redis for a while."""

    def __init__(self, victim: Victim, namespace: RedisNamespace, seconds: float) -> None:
        near, far = namespace.urls
        urls = [far, near] if victim == "leader" else [near, far]  # who starts first leads
        name = f"{seconds:g} s without network between {NAMES[victim]} and Redis"
        super().__init__(name, redis=namespace.redis, redis_urls=urls)
        self._namespace = namespace
        self._seconds = seconds

    async def strike(self, cluster: Cluster) -> None:  # noqa: ARG002 - the protocol's
        """Cut the cable, and mend it."""
        await asyncio.to_thread(self._namespace.cut, 1)
        await asyncio.sleep(self._seconds)
        await asyncio.to_thread(self._namespace.mend, 1)


async def find(victim: Victim, cluster: Cluster) -> Server:
    """The leader, or one of the others."""
    leader = await cluster.agreed()
    return leader if victim == "leader" else next(other for other in cluster.replicas if other is not leader)


def all_faults(freeze_s: float, namespace: RedisNamespace) -> Sequence[Fault]:
    """In the order of the table."""
    later = ("unshare", "--time", "--monotonic", A_DAY_S, "--boottime", A_DAY_S, "--fork", "--kill-child")
    # its library alone: the command `faketime` forks, and would be killed in the gateway's place
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
