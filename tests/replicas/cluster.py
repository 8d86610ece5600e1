"""Emulated engines, a Redis, and gateways that share it, each in a process of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from tests.coordination.redis_server import RedisServer
from tests.replicas.client import Failed, send
from tests.replicas.server import Server

ASK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one replica reports about itself and about the engines. Counts are sums over the engines."""

    role: str
    replicas: int
    """The number of replicas that it knows."""
    active: int
    held: int
    in_flight: int
    windows: dict[str, float]
    """By engine."""
    actives: dict[str, int]
    """Sessions that have a place, by engine."""


class Cluster:
    """Starts all processes, and ends them when its block ends."""

    def __init__(
        self,
        *,
        replicas: int,
        engines: int,
        engine_flags: Sequence[str],
        gateway_flags: Sequence[str],
        redis: RedisServer | None = None,
        launchers: Sequence[Sequence[str]] = (),
        redis_urls: Sequence[str] = (),
        engine_launcher: Sequence[str] = (),
    ) -> None:
        """`launchers` start the first replicas, and `redis_urls` are where the first replicas reach Redis."""
        self.redis = redis or RedisServer()
        self.folder = Path(tempfile.mkdtemp(prefix="concur-replicas-"))
        self.engines = [
            self._server(f"engine-{number}", "engine", *engine_flags, launcher=engine_launcher)
            for number in range(engines)
        ]
        self._gateway_flags = gateway_flags
        self.replicas: list[Server] = []
        for number in range(replicas):
            self.add_replica(
                launcher=launchers[number] if number < len(launchers) else (),
                redis_url=redis_urls[number] if number < len(redis_urls) else None,
            )

    def add_replica(self, *, launcher: Sequence[str] = (), redis_url: str | None = None) -> Server:
        """Add a replica, which is not started yet."""
        named = [flag for engine in self.engines for flag in ("--engine", engine.url)]
        replica = self._server(
            f"replica-{len(self.replicas)}",
            *("serve", *named, "--store", "redis", "--admin-listen", "main", *self._gateway_flags),
            *("--redis-url", redis_url or self.redis.url),
            launcher=launcher,
        )
        self.replicas.append(replica)
        return replica

    def _server(self, name: str, *arguments: str, launcher: Sequence[str] = ()) -> Server:
        return Server(name, *arguments, log=self.folder / f"{name}.log", launcher=launcher)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self.redis.start)
            await asyncio.gather(*(engine.start() for engine in self.engines))
            for replica in self.replicas:
                await replica.start()  # one after the other: the first one becomes the leader
            await self.agreed()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for server in (*self.replicas, *self.engines):
            server.kill()
        self.redis.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def standings(self) -> dict[Server, Standing]:
        """What the running replicas report. Replicas that do not answer are missing."""
        running = [replica for replica in self.replicas if replica.is_running]
        answers = await asyncio.gather(*(standing(replica) for replica in running))
        return {replica: answer for replica, answer in zip(running, answers, strict=True) if answer is not None}

    async def leader(self) -> Server | None:
        """The leader, if all running replicas agree: one leads and knows all others, and they follow it."""
        standings = await self.standings()
        running = [replica for replica in self.replicas if replica.is_running]
        leaders = [replica for replica, told in standings.items() if told.role == "leading"]
        followers = [replica for replica, told in standings.items() if told.role == "following"]
        if len(leaders) != 1 or len(followers) != len(running) - 1:
            return None
        return leaders[0] if standings[leaders[0]].replicas == len(running) else None

    async def agreed(self, *, within_s: float = 30.0) -> Server:
        """Wait until the replicas agree."""
        async with asyncio.timeout(within_s):
            while (leader := await self.leader()) is None:
                await asyncio.sleep(0.05)
        return leader

    async def leaked(self, *, within_s: float) -> int:
        """Places and requests that are still counted somewhere after this time, although no client is left."""
        left = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while (left := await self._counted()) != 0:
                    await asyncio.sleep(0.2)
        return left

    async def _counted(self) -> int:
        standings = await self.standings()
        return sum(told.active + told.held + told.in_flight for told in standings.values())


async def standing(replica: Server) -> Standing | None:
    """What the metrics of a replica report; None if it does not answer."""
    samples = await metrics(replica)
    return None if samples is None else standing_of(samples)


def standing_of(samples: "Samples") -> Standing:
    """What these metrics report."""
    roles = [dict(labels)["role"] for (name, labels), value in samples.items() if name == "concur_store_role" and value]
    actives = {
        dict(labels)["engine"]: int(value)
        for (name, labels), value in samples.items()
        if name == "concur_sessions" and ("state", "active") in labels
    }
    windows = {
        dict(labels)["engine"]: value for (name, labels), value in samples.items() if name == "concur_window_sessions"
    }
    return Standing(
        role=roles[0],
        replicas=int(samples["concur_replicas", frozenset()]),
        active=sum(actives.values()),
        held=_sum(samples, "concur_held_requests"),
        in_flight=_sum(samples, "concur_in_flight_requests"),
        windows=windows,
        actives=actives,
    )


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def metrics(server: Server) -> Samples | None:
    """All series of a server by name and labels; None if it does not answer."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            answer = await send(server.port, "GET", "/metrics")
    except (TimeoutError, Failed):
        return None
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def _sum(samples: Samples, wanted: str) -> int:
    return int(sum(value for (name, _), value in samples.items() if name == wanted))
