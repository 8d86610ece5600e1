"""The benefit of control on a real vLLM: `python -m tests.real_engine.fleet` prints and writes a Markdown table.

The same fleet of agents runs once per arm, on one server whose prefix cache is emptied before. A fleet of `--agents 2`
fits into the cache. It runs directly and through the gateway in turn, to measure what the gateway costs there.

Needs one core for computing, one for all the rest, and a machine that does nothing else.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.watch import Watch, watch
from concur_proxy.lab.demo.workload import BYTES_PER_TOKEN, Workload, write_scripts
from tests.real_engine.install import DEFAULT_VENV, VLLM
from tests.real_engine.vllm_server import BLOCK_TOKENS, VllmServer, fastest_dtype

KV_BLOCKS = 256
KNEE_AGENTS = 4
"""A smaller number of agents fits into the cache at once."""
DIRECT = "no control"
DEFAULT = "tokens, our default"
UNKEYED = ("--session-headers", "x-no-such-header", "--session-body-fields", "no_such_field")
ARMS: dict[str, tuple[str, ...] | None] = {
    DIRECT: None,
    "4 requests, any agent": ("--law", "static", "--set", "window=4", "--no-work-conserving", *UNKEYED),
    **{
        f"{cap} agents": ("--law", "static", "--set", f"window={cap}", "--no-work-conserving")
        for cap in (2, 3, 4, 5, 6, 8)
    },
    "aimd, the paper's law": ("--law", "aimd", "--no-work-conserving"),
    DEFAULT: (),
}
"""The gateway's flags for each arm, by name; None means no gateway."""

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


async def compare_arms(server: VllmServer, workload: Workload, arms: Sequence[str]) -> list[str]:
    """A row per arm, printed when the arm ends."""
    baseline_s = None
    lines = []
    for arm in arms:
        run = await run_fleet(server, workload, arm)
        if arm == DIRECT:
            baseline_s = run.makespan_s
        lines.append(run.line(baseline_s))
        print(lines[-1], flush=True)
    return lines


async def compare_below_the_knee(server: VllmServer, workload: Workload, pairs: int) -> list[str]:
    """A row per run, directly and through the gateway in turn, and a last line with the ratio of the medians."""
    arms = (DIRECT, DEFAULT)
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    lines = []
    for pair in range(pairs):
        # the order alternates, so that a machine that becomes slower favours neither
        for arm in arms if pair % 2 == 0 else reversed(arms):
            run = await run_fleet(server, workload, arm)
            seconds[arm].append(run.makespan_s)
            lines.append(run.line(None))
            print(lines[-1], flush=True)
    direct_s, proxied_s = (median(seconds[arm]) for arm in arms)
    lines.append(
        f"\nMedian of {pairs}: {direct_s:.2f} s direct, {proxied_s:.2f} s through the gateway, "
        f"{100 * (proxied_s / direct_s - 1):+.2f} %."
    )
    print(lines[-1], flush=True)
    return lines


async def run_fleet(server: VllmServer, workload: Workload, arm: str) -> Run:
    """Run one arm with an empty prefix cache."""
    server.reset_prefix_cache()
    flags = ARMS[arm]
    async with _way(server.url if server.ranks == 1 else f"{server.url}#dp={server.ranks}", flags) as url:
        fleet = AgentFleet(base_url=url, model=server.model, scripts=write_scripts(workload), time_scale=1.0)
        seen, stalls = Watch(), Stalls()
        gateway_url = None if flags is None else url
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
        raise SystemExit(f"{arm}: {len(progress.failures)} requests failed, the first: {progress.failures[0]}")
    cuts = quantiles(progress.latencies_s, n=100, method="inclusive")
    return Run(
        arm=arm,
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
async def _way(engine_url: str, flags: tuple[str, ...] | None) -> AsyncIterator[str]:
    if flags is None:
        yield engine_url.partition("#")[0]
        return
    async with servers.gateway(engine_url, "--log-level", "warning", *flags) as url:
        yield url


def workload_of(server: VllmServer, given: argparse.Namespace) -> Workload:
    """The workload, with sizes in tokens of this server instead of the emulated engine."""
    text = " ".join(turn.text for script in write_scripts(Workload(agents=1)) for turn in script.turns)
    answer = httpx.post(f"{server.url}/tokenize", json={"model": server.model, "prompt": text[:8000]}, trust_env=False)
    scale = 8000 / answer.raise_for_status().json()["count"] / BYTES_PER_TOKEN
    return Workload(
        agents=given.agents,
        turns=given.turns,
        shared_tokens=round(64 * scale),
        first_tokens=round(300 * scale),
        growth_tokens=round(200 * scale),
        answer_tokens=16,
        tool_s=tuple(given.tool_s),
        seed=given.seed,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the server, run the arms, write the table."""
    given = _parser().parse_args(arguments)
    server = VllmServer(given.model, kv_blocks=KV_BLOCKS, tells_cached=not given.untold, ranks=given.ranks)
    with suppress(KeyboardInterrupt), server:
        workload = workload_of(server, given)
        title = (
            f"{given.agents} agents of {given.turns} turns (64 shared tokens, 300 first, 200 a turn, 16 out, "
            f"tools {given.tool_s[0]:g} to {given.tool_s[1]:g} s) on {given.ranks} x {VLLM} with model {given.model} "
            f"in {fastest_dtype()}, each on one core and with {KV_BLOCKS * BLOCK_TOKENS} tokens of KV cache, "
            f"{'cached tokens not reported, ' if given.untold else ''}seed {given.seed}\n"
        )
        print(title, HEAD, sep="\n", flush=True)
        asyncio.run(run_fleet(server, Workload(agents=1, turns=2, tool_s=(0.0, 0.0)), DIRECT))  # warms the server up
        if given.agents < KNEE_AGENTS:
            lines = asyncio.run(compare_below_the_knee(server, workload, given.pairs))
        else:
            lines = asyncio.run(compare_arms(server, workload, given.arms or list(ARMS)))
        given.output.write_text("\n".join([title, HEAD, *lines, ""]))
        print(f"\nwritten to {given.output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine.fleet", description=__doc__)
    parser.add_argument("--agents", type=int, default=16, help="default %(default)s; 2 or 3 compare the gateway's cost")
    parser.add_argument("--turns", type=int, default=10, help="turns of each agent (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the texts and tool times (default %(default)s)")
    parser.add_argument(
        "--tool-s", nargs=2, type=float, default=(0.5, 1.5), metavar=("LEAST", "MOST"), help="default 0.5 1.5"
    )
    parser.add_argument("--untold", action="store_true", help="answers do not report how much of a prompt was cached")
    parser.add_argument("--ranks", type=int, default=1, help="data-parallel engines behind one port (default 1)")
    parser.add_argument(
        "--model",
        choices=("fleet", "fleet-small"),
        default="fleet" if fastest_dtype() == "bfloat16" else "fleet-small",
        help="72 or 15 million parameters (default for this processor: %(default)s)",
    )
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs with 2 or 3 agents (default %(default)s)")
    parser.add_argument(
        "--arms", nargs="+", choices=list(ARMS), metavar="ARM", help=f"some of: {', '.join(map(repr, ARMS))}"
    )
    parser.add_argument("--output", type=Path, default=DEFAULT_VENV / "fleet.md", help="default %(default)s")
    return parser


if __name__ == "__main__":
    main()
