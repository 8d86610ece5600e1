"""Is the report right? `python -m tests.benchmarks.report_over_http` compares it with gateways over HTTP.

A fleet that fills the emulated engine's cache three times works through a gateway that observes and records, and the
report says what control would change. Then the same fleet works through a gateway with control, on a new engine. The
table compares what the report says with what was measured there. The second fleet's tool calls take as long as the
engine needs to compute its whole cache, so control cannot help it, and the report must say so.

Each fleet takes two to three minutes. The machine needs one core for the engine and one for the rest.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import httpx

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.options import engine_flags
from concur_proxy.lab.demo.workload import Workload, write_scripts
from concur_proxy.lab.recorded.both import replay_both
from concur_proxy.lab.recorded.reader import GatewayRecording
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.report.comparison import Comparison, compare
from concur_proxy.lab.report.measured import Measuring
from concur_proxy.lab.report.verdict import judge
from concur_proxy.lab.server.clockwork import CLOCK_PATH
from concur_proxy.lab.server.options import EmulatorOptions

HEAD = """\
| fleet | number | recorded | replayed | control measured | control in the report | difference |
| --- | --- | ---: | ---: | ---: | ---: | ---: |"""

CACHE = EmulatorOptions(capacity_tokens=46_000, token_budget=2048)
FLEETS = {
    "crowded": replace(CACHE, prefill_tokens_s=2_500.0, step_s=0.02, time_scale=4.0),
    "slow tools": replace(CACHE, prefill_tokens_s=11_000.0, time_scale=2.0),
}
"""The engine of each. Both serve the same agents."""
MODEL = "emulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was measured in one run, in real seconds."""

    requests: Sequence[RecordedRequest]
    busy_s: float
    late: float
    """How much too long the engine's steps took, as a share of their time."""

    @property
    def mean_turn_s(self) -> float:
        return fmean(request.duration_s for request in self.requests)

    @property
    def found(self) -> float:
        """Share of the prompts that was found in the cache."""
        return sum(request.cached_tokens or 0 for request in self.requests) / self.prompt_tokens

    @property
    def prompt_tokens(self) -> int:
        return sum(request.prompt_tokens for request in self.requests)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.report_over_http", description=__doc__)
    parser.add_argument("--agents", type=int, default=42, help="number of agents (default 42)")
    parser.add_argument("--fleet", choices=FLEETS, action="append", help="repeatable (default: all)")
    given = parser.parse_args(arguments)
    print(HEAD)
    notes = []
    for name in given.fleet or FLEETS:
        workload = Workload(agents=given.agents, turns=8)
        free, controlled = (asyncio.run(run(FLEETS[name], workload, mode)) for mode in ("observe", "enforce"))
        comparison = compare(replay_both(free.requests, capacity_tokens=None, on_step=lambda _: None), is_part=False)
        print("\n".join(rows(name, free, controlled, comparison)), flush=True)
        notes.append(note(name, free, controlled, comparison))
    print("\n" + "\n".join(notes))


async def run(engine: EmulatorOptions, workload: Workload, mode: str) -> Run:
    """Let the fleet work through a gateway in this mode."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        flags = ("--mode", mode, "--record", str(path), "--log-level", "error")
        async with servers.engine(*engine_flags(engine)) as url:
            async with servers.gateway(url, *flags) as gateway:
                # Token counts of streams are asked for once an answer has shown that the engine can be asked.
                warm_up = write_scripts(Workload(agents=1, turns=1, seed=99))
                for scripts in (warm_up, write_scripts(workload)):
                    fleet = AgentFleet(
                        base_url=gateway,
                        model=MODEL,
                        scripts=[replace(each, name=f"{len(scripts)}-{each.name}") for each in scripts],
                        time_scale=engine.time_scale,
                        streams=True,
                    )
                    progress = await fleet.run()
                    if progress.failures:
                        raise SystemExit(f"{mode}: {progress.failures[0]}")
            async with httpx.AsyncClient(trust_env=False) as client:
                clock = (await client.get(url + CLOCK_PATH)).json()
        requests = sorted(GatewayRecording(path).requests(), key=lambda request: request.at)
    return Run(requests=requests, busy_s=clock["due_s"] / engine.time_scale, late=clock["late_s"] / clock["due_s"])


def rows(name: str, free: Run, controlled: Run, comparison: Comparison) -> list[str]:
    """A row for each number."""
    arms = (comparison.without, comparison.controlled)
    return [
        row(name, "engine time, s", *(each.busy_s for each in (free, arms[0], controlled, arms[1]))),
        row(name, "mean turn, s", *(each.mean_turn_s for each in (free, arms[0], controlled, arms[1]))),
    ]


def row(fleet: str, number: str, recorded: float, replayed: float, measured: float, reported: float) -> str:
    """The numbers, and by how much the report is too high."""
    numbers = (f"{value:.2f}" for value in (recorded, replayed, measured, reported))
    return f"| {fleet} | {number} | {' | '.join(numbers)} | {100 * (reported / measured - 1):+.0f} % |"


def note(name: str, free: Run, controlled: Run, comparison: Comparison) -> str:
    """What the report says in words."""
    measuring = Measuring()
    for request in sorted(free.requests, key=lambda request: request.ended_at):
        measuring.add(request)
    measured = measuring.result(name, has_dates=True, cut_lines=0)
    verdict = judge(measured, comparison)
    return (
        f"- {name}: {len(free.requests)} requests. Found in the cache: {100 * free.found:.0f} % without control, "
        f"{100 * controlled.found:.0f} % with it. The engine's steps took {100 * free.late:.1f} % and "
        f"{100 * controlled.late:.1f} % too long. The report says: {verdict.sentence} {verdict.advice}"
    )


if __name__ == "__main__":
    main()
