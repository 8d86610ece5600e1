"""What must hold all the time: looked at every second while a soak runs."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.replicas.client import Failed, send
from tests.replicas.cluster import Samples, metrics, standing_of
from tests.replicas.server import Server
from tests.soak.canaries import WEIGHTS, found_in, found_in_redis
from tests.soak.gates import MOST_OFF, Shares, crowded, impossible
from tests.soak.health import Health, health_of, within
from tests.soak.slopes import MOST_HOUR, MOST_MB_HOUR, Sample, is_long, slopes
from tests.soak.stage import Stage

MOST_RSS_MB = 512.0
EXCESS_S = 20.0
"""Seconds for which the gateways may count more requests than clients have open, because a silent client is noticed
later, or a gate may have more sessions than places, because it has taken over those of another gateway.
"""
TRACES = (b"Traceback (most recent", b"never retrieved", b"never awaited", b"a defect in concur-proxy")
EXCERPT_BYTES = 3000
GROWTH = f"memory grows by at most {MOST_MB_HOUR:g} MB/h, files and tasks by {MOST_HOUR} each"
SHARES = f"tenants are served by weight within {100 * MOST_OFF:.0f} points while all wait"
HEALTH_MS, LONGEST_MS = 100.0, 1000.0
HEALTH = (
    f"`/healthz` takes at most {HEALTH_MS:.0f} ms more than a plain server (99 %), and never {LONGEST_MS:.0f} ms more"
)
FRESH_S = 3.0
"""A gateway writes the number of its tasks within this time."""
QUIET_S = 40.0
"""A hanging engine is given up, and a silent client is noticed, within this time."""


@dataclass(slots=True)
class Watch:
    """Collects samples, and everything that did not hold, by the name of the rule."""

    stage: Stage
    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)
    """Looks while no request was open, by gateway and process id."""
    shares: Shares = field(default_factory=lambda: Shares(WEIGHTS))
    settled_s: float = 0.0
    """How long it took until no request was counted, after the last fault."""
    broken: dict[str, list[str]] = field(
        default_factory=lambda: {
            "every answer is valid or visibly broken": [],
            "places equal open requests once settled": [],
            "no request is counted without a client": [],
            "no gate has more sessions than places for long, or counts what cannot be": [],
            SHARES: [],
            "no gateway ends by itself": [],
            f"a gateway has at most {MOST_RSS_MB:.0f} MB": [],
            HEALTH: [],
            GROWTH: [],
            "no unhandled exception in the logs": [],
            "no secret in logs, metrics, traces and Redis": [],
        }
    )
    _read: dict[Path, int] = field(default_factory=dict)
    _excess_since: float | None = None
    _crowded_since: float | None = None

    async def run(self) -> None:
        """Look every second, until this is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(1.0)

    async def look(self) -> None:
        """Look once."""
        self.stage.hostile.received.clear()
        for replica in self.stage.cluster.replicas:
            self._is_running(replica)
        await self._count()
        self._read_logs()
        for failure in self.stage.agents.tally.failures:
            if failure.kind == "invalid" and failure.detail not in self._of("every answer"):
                self._of("every answer").append(failure.detail)

    async def look_for_secrets(self) -> None:
        """Look for secrets in metrics and Redis."""
        self._of("no secret").extend(f"in a trace: {secret}" for secret in self.stage.traces.found)
        found = await asyncio.to_thread(found_in_redis, self.stage.redis.master.client)
        self._of("no secret").extend(f"in Redis: {secret}" for secret in found)
        for replica in self.stage.cluster.replicas:
            with suppress(Failed):
                metrics = (await send(replica.port, "GET", "/metrics")).body
                self._of("no secret").extend(f"in metrics: {secret}" for secret in found_in(metrics))

    async def settle(self, *, after: str) -> None:
        """Pause the agents. No gateway may count a request when all clients have gone."""
        agents = self.stage.agents
        agents.pause()
        began, counted = time.monotonic(), None
        while (now := time.monotonic()) < began + QUIET_S:
            if not agents.open and (counted := await self._counted()) == 0:
                await self._sample()
                break
            await asyncio.sleep(0.2)
        else:
            self._of("places").append(f"after {after}: {agents.open} open, {counted} counted")
        self.settled_s = now - began
        self.shares.forget()
        agents.resume()

    def judge_health(self, *, began: float = 0.0) -> Health:
        """Note what took too long, the longest first, and return all times. `began`: when the first fault began."""
        health = health_of(self.stage.health.read_text().splitlines()[:-1])
        longest = sorted(zip(health.excess, health.asked_at, strict=True), reverse=True)
        found = [f"{one:.0f} ms more at {at - began:.0f} s" for one, at in longest if one > LONGEST_MS]
        if (most := within(health.excess, 0.99)) > HEALTH_MS:
            found.append(f"99 % within {most:.0f} ms more")
        self._of("`/healthz`").extend(found)
        return health

    def judge_growth(self) -> bool:
        """Note what grew. Returns False if no process ran for long enough to say."""
        long = [(name, samples) for (name, _), samples in self.samples.items() if is_long(samples)]
        for name, samples in long:
            self._of("memory grows").extend(f"{name}: {grown}" for grown in slopes(samples).grown)
        return bool(long)

    def judge_shares(self) -> bool:
        """Note who was served too much or too little. Returns False if the tenants waited too little to say."""
        self._of("tenants are").extend(self.shares.unfair)
        return self.shares.is_enough

    async def empty(self, *, within_s: float) -> None:
        """No session may have a place when all agents have gone for longer than a session is remembered."""
        if leaked := await self.stage.cluster.leaked(within_s=within_s):
            self._of("places").append(f"at the end: {leaked} places and requests")

    def _of(self, start: str) -> list[str]:
        return next(found for rule, found in self.broken.items() if rule.startswith(start))

    def _is_running(self, replica: Server) -> None:
        if not replica.is_running:
            if replica not in self.stage.broken:
                self._of("no gateway ").append(f"{replica} ended")
            return
        with suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            if (rss_mb := _rss_mb(replica.pid)) > MOST_RSS_MB:
                self._of("a gateway").append(f"{replica}: {rss_mb:.0f} MB")

    async def _sample(self) -> None:
        """Look at the processes while no request is open, and the numbers of their tasks are from now."""
        quiet = time.time()
        while min(map(_written, self.stage.tasks)) < quiet and time.time() < quiet + FRESH_S:
            await asyncio.sleep(0.1)
        now = time.monotonic()
        for replica, file in zip(self.stage.cluster.replicas, self.stage.tasks, strict=True):
            with suppress(FileNotFoundError, ProcessLookupError, StopIteration, ValueError):
                tasks = int(file.read_text())
                sample = Sample(at=now, rss_mb=_rss_mb(replica.pid), files=replica.descriptors, tasks=tasks)
                self.samples.setdefault((replica.name, replica.pid), []).append(sample)

    async def _metrics(self) -> dict[Server, Samples | None]:
        running = [replica for replica in self.stage.cluster.replicas if replica.is_running]
        return dict(zip(running, await asyncio.gather(*map(metrics, running)), strict=True))

    async def _counted(self) -> int | None:
        """Requests that the gateways count; None if one does not answer."""
        return _requests((await self._metrics()).values())

    async def _count(self) -> None:
        now = time.monotonic()
        pids = {replica: replica.pid for replica in self.stage.cluster.replicas if replica.is_running}
        looks = await self._metrics()
        for replica, samples in looks.items():
            if samples is not None and standing_of(samples).role == "leading":
                self._of("no gate ").extend(f"{replica}: {found}" for found in impossible(samples))
                self._note_crowd(now, crowded(samples))
                if self.stage.weights is WEIGHTS:
                    self.shares.add(f"{replica} {pids.get(replica)}", now, samples)
        counted = _requests(looks.values())
        if counted is None or counted <= self.stage.agents.open:
            self._excess_since = None
            return
        since = self._excess_since = self._excess_since or now
        if now - since > EXCESS_S:
            self._of("no request").append(f"{counted} counted, {self.stage.agents.open} open for {now - since:.0f} s")
            self._excess_since = None

    def _note_crowd(self, now: float, crowd: list[str]) -> None:
        self._crowded_since = (self._crowded_since or now) if crowd else None
        if self._crowded_since is not None and now - self._crowded_since > EXCESS_S:
            self._of("no gate ").extend(crowd)
            self._crowded_since = None

    def _read_logs(self) -> None:
        for path in self.stage.cluster.folder.glob("replica*.log"):
            with path.open("rb") as log:
                log.seek(self._read.get(path, 0))
                text = log.read()
                self._read[path] = log.tell()
            if found := [text.index(trace) for trace in TRACES if trace in text]:
                excerpt = text[min(found) :][:EXCERPT_BYTES]
                self._of("no unhandled").append(f"{path.name}: {excerpt.decode(errors='replace')}")
            self._of("no secret").extend(f"in {path.name}: {secret}" for secret in found_in(text))


def _requests(looks: Iterable[Samples | None]) -> int | None:
    """Requests that all these gateways count; None if one did not answer."""
    standings = [None if samples is None else standing_of(samples) for samples in looks]
    if any(one is None for one in standings):
        return None
    return sum(one.held + one.in_flight for one in standings if one is not None)


def _written(file: Path) -> float:
    return file.stat().st_mtime if file.exists() else 0.0


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
