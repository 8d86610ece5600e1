"""One fleet of agents on a real engine, without the gateway or through it: what an arm is, and what it measures."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Literal

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.watch import Watch, watch
from concur_proxy.lab.demo.workload import Workload, write_scripts
from tests.real_engine.server import EngineServer

DIRECT = "no control"
DEFAULT = "tokens, our default"
UNNAMED = "tokens, no session header"
CAPS = (2, 3, 4, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to run the fleet."""

    flags: tuple[str, ...] | None = ()
    """The gateway's flags; None means no gateway."""
    names: Literal["agents", "requests", "nothing"] = "agents"
    """What the requests' session header names."""


def cap(sessions: int, *flags: str, names: Literal["agents", "requests"] = "agents") -> Arm:
    """A fixed number of sessions at once."""
    return Arm(("--law", "static", "--set", f"window={sessions}", "--no-work-conserving", *flags), names)


ARMS: dict[str, Arm] = {
    DIRECT: Arm(None),
    "4 requests, any agent": cap(4, "--idle-lease", "0", names="requests"),  # none keeps its place after its answer
    **{f"{sessions} agents": cap(sessions) for sessions in CAPS},
    "aimd, the paper's law": Arm(("--law", "aimd", "--no-work-conserving")),
    DEFAULT: Arm(),
    UNNAMED: Arm(names="nothing"),
}

HEAD = """\
| arm | total time, s | gain | prefix hits | preemptions | turn p50, s | turn p99, s | most active | longest stall, s |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The figures of one fleet, from its first request to its last answer."""

    arm: str
    makespan_s: float
    hit_rate: float | None
    preemptions: float | None
    p50_turn_s: float
    p99_turn_s: float
    most_active: float | None
    """Largest number of sessions that were active at once, if a gateway counted them."""
    stall_s: float
    """Longest time in which this process could not run. If it is a second or more, the machine was busy."""

    def line(self, baseline_s: float | None) -> str:
        """A row of the Markdown table."""
        cells = (
            self.arm,
            f"{self.makespan_s:.1f}",
            "-" if baseline_s is None else f"{baseline_s / self.makespan_s:.2f}x",
            "-" if self.hit_rate is None else f"{self.hit_rate:.2f}",
            "-" if self.preemptions is None else f"{self.preemptions:g}",
            f"{self.p50_turn_s:.2f}",
            f"{self.p99_turn_s:.2f}",
            "-" if self.most_active is None else f"{self.most_active:g}",
            f"{self.stall_s:.1f}",
        )
        return f"| {' | '.join(cells)} |"


async def run_fleet(server: EngineServer, workload: Workload, name: str, *, log_level: str = "warning") -> Run:
    """Run the arm of this name with an empty prefix cache. `log_level` is the gateway's."""
    server.reset_prefix_cache()
    arm = ARMS[name]
    engine_url = server.url if server.ranks == 1 else f"{server.url}#dp={server.ranks}"
    async with _way(engine_url, arm.flags, log_level) as url:
        scripts = write_scripts(workload)
        fleet = AgentFleet(base_url=url, model=server.model, scripts=scripts, time_scale=1.0, names=arm.names)
        seen, stalls = Watch(), Stalls()
        gateway_url = None if arm.flags is None else url
        watching = asyncio.create_task(watch(seen, engine_url=server.url, gateway_url=gateway_url, interval_s=1.0))
        beating = asyncio.create_task(stalls.watch())
        try:
            progress = await fleet.run()
            last = seen.last
            while seen.last is last:  # the last sample must include the last answers
                await asyncio.sleep(0.1)
        finally:
            for task in (watching, beating):
                task.cancel()
            await asyncio.gather(watching, beating, return_exceptions=True)
    if progress.failures:
        raise SystemExit(f"{name}: {len(progress.failures)} requests failed, the first: {progress.failures[0]}")
    cuts = quantiles(progress.latencies_s, n=100, method="inclusive")
    return Run(
        arm=name,
        makespan_s=progress.elapsed_s,
        hit_rate=seen.hit_rate,
        preemptions=seen.preemptions,
        p50_turn_s=cuts[49],
        p99_turn_s=cuts[98],
        most_active=max(seen.active, default=None),
        stall_s=stalls.longest_s,
    )


class Stalls:
    """Notices when this process could not run for long, for example on a busy machine."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        """Watch until cancelled."""
        interval_s = 0.05
        while True:
            before = time.monotonic()
            await asyncio.sleep(interval_s)
            self.longest_s = max(self.longest_s, time.monotonic() - before - interval_s)


@asynccontextmanager
async def _way(engine_url: str, flags: tuple[str, ...] | None, log_level: str) -> AsyncIterator[str]:
    if flags is None:
        yield engine_url.partition("#")[0]
        return
    async with servers.gateway(engine_url, "--log-level", log_level, *flags) as url:
        yield url
