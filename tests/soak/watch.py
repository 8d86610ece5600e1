"""What must hold all the time: looked at every second while a soak runs."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.replicas.client import Failed, send
from tests.replicas.cluster import standing
from tests.replicas.server import Server
from tests.soak.canaries import found_in, found_in_redis
from tests.soak.stage import Stage

MOST_RSS_MB = 512.0
EXCESS_S = 20.0
"""Seconds for which the gateways may count more requests than clients have open; a silent client is noticed later."""
TRACES = (b"Traceback (most recent", b"never retrieved", b"never awaited", b"a defect in concur-proxy")
MOST_MB_HOUR, MOST_HOUR = 1.0, 30
GROWTH = f"memory grows by at most {MOST_MB_HOUR:g} MB/h, files and tasks by {MOST_HOUR} each"
SLOPE_S = 1200.0
"""Slopes of processes that ran for a shorter time say nothing."""
WARM_UP = 0.25
"""The part of a process's samples that does not count for a slope."""
HEALTH_MS = 1000.0
QUIET_S = 40.0
"""A hanging engine is given up, and a silent client is noticed, within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a gateway process."""

    at: float
    rss_mb: float
    files: int
    tasks: int


def slope(values: Sequence[tuple[float, float]]) -> float:
    """Least squares: the change of a value in an hour, by pairs of seconds and value; 0 for fewer than two."""
    mean_x = sum(x for x, _ in values) / max(1, len(values))
    mean_y = sum(y for _, y in values) / max(1, len(values))
    spread = sum((x - mean_x) ** 2 for x, _ in values)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in values) / spread if spread else 0.0


@dataclass(slots=True)
class Watch:
    """Collects samples, and everything that did not hold, by the name of the rule."""

    stage: Stage
    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)
    """By gateway and process id."""
    broken: dict[str, list[str]] = field(
        default_factory=lambda: {
            "every answer is valid or visibly broken": [],
            "places equal open requests once settled": [],
            "no request is counted without a client": [],
            "no gateway ends by itself": [],
            f"a gateway has at most {MOST_RSS_MB:.0f} MB": [],
            f"`/healthz` answers within {HEALTH_MS:.0f} ms": [],
            GROWTH: [],
            "no unhandled exception in the logs": [],
            "no secret in logs, metrics and Redis": [],
        }
    )
    _read: dict[Path, int] = field(default_factory=dict)
    _excess_since: float | None = None

    async def run(self) -> None:
        """Look every second, until this is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(1.0)

    async def look(self) -> None:
        """Look once."""
        self.stage.hostile.received.clear()
        for replica, tasks in zip(self.stage.cluster.replicas, self.stage.tasks, strict=True):
            self._sample(replica, tasks)
        await self._count()
        self._read_logs()
        for failure in self.stage.agents.tally.failures:
            if failure.kind == "invalid" and failure.detail not in self._of("every answer"):
                self._of("every answer").append(failure.detail)

    async def look_for_secrets(self) -> None:
        """Look for secrets in metrics and Redis."""
        found = await asyncio.to_thread(found_in_redis, self.stage.cluster.redis.client)
        self._of("no secret").extend(f"in Redis: {secret}" for secret in found)
        for replica in self.stage.cluster.replicas:
            with suppress(Failed):
                metrics = (await send(replica.port, "GET", "/metrics")).body
                self._of("no secret").extend(f"in metrics: {secret}" for secret in found_in(metrics))

    async def settle(self, *, after: str) -> None:
        """Pause the agents. No gateway may count a request when all clients have gone."""
        agents = self.stage.agents
        agents.pause()
        deadline, counted = time.monotonic() + QUIET_S, None
        while time.monotonic() < deadline:
            if not agents.open and (counted := await self._counted()) == 0:
                break
            await asyncio.sleep(0.2)
        else:
            self._of("places").append(f"after {after}: {agents.open} open, {counted} counted")
        agents.resume()

    def health(self) -> list[float]:
        """Times of all answers of `/healthz`, in milliseconds."""
        answers = [float(line) for line in self.stage.health.read_text().splitlines()[:-1]]
        self._of("`/healthz`").extend(f"{one:.0f} ms" for one in answers if one > HEALTH_MS)
        return answers

    @property
    def is_long(self) -> bool:
        """Whether a process ran for long enough to judge its slopes."""
        return any(samples[-1].at - samples[0].at >= SLOPE_S for samples in self.samples.values())

    def slopes(self) -> dict[str, dict[str, float]]:
        """How memory, files and tasks of each process changed in an hour, after its warm-up."""
        slopes = {}
        for (name, pid), samples in self.samples.items():
            late = samples[int(len(samples) * WARM_UP) :]
            most = {"MB": MOST_MB_HOUR, "files": MOST_HOUR, "tasks": MOST_HOUR}
            slopes[f"{name}, pid {pid}"] = found = {
                "MB": slope([(sample.at, sample.rss_mb) for sample in late]),
                "files": slope([(sample.at, sample.files) for sample in late]),
                "tasks": slope([(sample.at, sample.tasks) for sample in late]),
            }
            if samples[-1].at - samples[0].at >= SLOPE_S:
                grown = [f"{name}: {found[kind]:+.1f} {kind}/h" for kind in most if found[kind] > most[kind]]
                self._of("memory grows").extend(grown)
        return slopes

    async def empty(self, *, within_s: float) -> None:
        """No session may have a place when all agents have gone for longer than a session is remembered."""
        if leaked := await self.stage.cluster.leaked(within_s=within_s):
            self._of("places").append(f"at the end: {leaked} places and requests")

    def _of(self, start: str) -> list[str]:
        return next(found for rule, found in self.broken.items() if rule.startswith(start))

    def _sample(self, replica: Server, tasks: Path) -> None:
        if not replica.is_running:
            if replica not in self.stage.broken:
                self._of("no gateway").append(f"{replica} ended")
            return
        with suppress(FileNotFoundError, ProcessLookupError, StopIteration, ValueError):
            status = Path(f"/proc/{replica.pid}/status").read_text().splitlines()
            rss_mb = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
            sample = Sample(at=time.monotonic(), rss_mb=rss_mb, files=replica.descriptors, tasks=int(tasks.read_text()))
            self.samples.setdefault((replica.name, replica.pid), []).append(sample)
            if rss_mb > MOST_RSS_MB:
                self._of("a gateway").append(f"{replica}: {rss_mb:.0f} MB")

    async def _counted(self) -> int | None:
        """Requests that the gateways count; None if one does not answer."""
        told = [await standing(replica) for replica in self.stage.cluster.replicas if replica.is_running]
        if any(one is None for one in told):
            return None
        return sum(one.held + one.in_flight for one in told if one is not None)

    async def _count(self) -> None:
        counted = await self._counted()
        if counted is None or counted <= self.stage.agents.open:
            self._excess_since = None
            return
        now = time.monotonic()
        since = self._excess_since = self._excess_since or now
        if now - since > EXCESS_S:
            self._of("no request").append(f"{counted} counted, {self.stage.agents.open} open for {now - since:.0f} s")
            self._excess_since = None

    def _read_logs(self) -> None:
        for path in self.stage.cluster.folder.glob("replica*.log"):
            with path.open("rb") as log:
                log.seek(self._read.get(path, 0))
                text = log.read()
                self._read[path] = log.tell()
            if any(trace in text for trace in TRACES):
                self._of("no unhandled").append(f"{path.name}: {text[-1500:].decode(errors='replace')}")
            self._of("no secret").extend(f"in {path.name}: {secret}" for secret in found_in(text))
