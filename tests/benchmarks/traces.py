"""Recorded agent sessions in the simulator: `python -m tests.benchmarks.traces` prints a Markdown table.

The sessions of each trace (`recordings/README.md`, or files given by path) run at several paces and with several sizes
of the cache, under no control, fixed caps, the default law and the paper's law. A pace is a factor on all think times
and tool calls: 1 is a human at work, 0.03 a fleet whose tools answer at once. A cache is a multiple of the working set,
which is what all sessions need at one time so that nothing is computed twice. The best cap is known only afterwards. It
is searched for in steps, first among every second one and then next to the best of these. Engine speeds are fitted to
the recorded durations. 16 loads take about 12 minutes on one core. They can be measured in pieces:

    python -m tests.benchmarks.traces --keep FILE --seconds 60

Call it until it prints the table. Runs in FILE that the same simulator and control have made are not run again.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from statistics import geometric_mean

from concur_proxy.lab.recorded.load import Trace, TraceLoad, WorkingSets
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.report.content import speeds_line
from concur_proxy.lab.report.phrases import span
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.result import Result
from tests.benchmarks import fingerprint
from tests.benchmarks.kept_runs import KeptRuns, OutOfTimeError

RECORDING = Path(__file__).with_name("recordings") / "claude-code.jsonl.gz"
PACES = (1.0, 0.3, 0.1, 0.03)
CACHES = (0.2, 0.5, 1.0, 2.0)
CAPS = (2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40)
LAWS = ("off", "tokens", "aimd")
MEASURES = ("open_s", "served_mean_s")
"""The total time without common idle time, and the mean session without its think times."""
BARS = (1.00, 1.03)
"""Geometric mean and worst of the default law against the best cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is kept of a run, see `Result`."""

    open_s: float
    served_mean_s: float
    hit_rate: float
    busy_s: float

    @classmethod
    def of(cls, result: Result) -> "Figures":
        """The figures of a result."""
        return cls(
            open_s=result.open_s,
            served_mean_s=result.served_mean_s,
            hit_rate=result.hit_rate,
            busy_s=result.busy_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One load."""

    path: Path
    pace: float
    cache: float
    keep: Path | None = None
    """The file of the runs that are known."""
    ends_at: float | None = None
    """The clock time after which no run begins, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured of one load."""

    name: str
    job: Job
    facts: str
    """The load and how well its engine's speeds are known."""
    caps: dict[int, Figures]
    laws: dict[str, Figures]

    def best(self, measure: str) -> tuple[str, float]:
        """The best fixed cap by this measure, or no control if no cap is better."""
        found = {str(cap): float(getattr(result, measure)) for cap, result in self.caps.items()}
        found["none"] = float(getattr(self.laws["off"], measure))
        return min(found.items(), key=lambda pair: pair[1])

    def relative(self, law: str, measure: str) -> float:
        """The law against the best cap."""
        return float(getattr(self.laws[law], measure)) / max(self.best(measure)[1], 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a load."""

    rows: Sequence[Row] = ()
    """A row for each group of engines of its trace."""
    problem: str = ""
    """Why it cannot be simulated."""
    is_left: bool = False
    """Whether time ended before it was measured."""


@cache
def _trace(path: Path) -> Trace:
    return Trace(path)


def measure(job: Job) -> Measured:
    """All runs of a load."""
    kept = KeptRuns(job.keep, Figures, ends_at=job.ends_at)
    try:
        loads = _trace(job.path).loads(capacity=WorkingSets(job.cache), pace=job.pace)
        return Measured(rows=[_row(job, load, kept) for load in loads])
    except TraceProblem as problem:
        return Measured(problem=f"pace {job.pace:g}, cache {job.cache:g}x: {problem}")
    except OutOfTimeError:
        return Measured(is_left=True)


def _row(job: Job, load: TraceLoad, kept: KeptRuns[Figures]) -> Row:
    def simulated(policy: Policy) -> Result:
        return Experiment(load.scenario, policy, 1, keeps_courses=False).run()

    def run(arm: str, policy: Policy) -> Figures:
        name = f"{job.path.resolve()} {load.scenario.name} {job.pace:g} {job.cache:g} {arm}"
        return kept.figures(name, fingerprint.simulator(), lambda: Figures.of(simulated(policy)))

    return Row(
        name=load.scenario.name,
        job=job,
        facts=f"{load.scenario.name}: {load.requests:,} requests in {load.sessions} sessions, working set "
        f"{load.working_set_tokens:,} tokens; engine's speeds {speeds_line(load.speeds)}",
        caps=swept(CAPS, lambda cap: run(f"cap {cap}", static(cap))),
        laws={law: run(law, POLICIES[law]) for law in LAWS},
    )


def swept(caps: Sequence[int], run: Callable[[int], Figures]) -> dict[int, Figures]:
    """The results of every second cap, and of those next to the best of these by each measure."""
    found = {cap: run(cap) for cap in caps[1::2]}
    for name in MEASURES:
        best = min(found, key=lambda cap: float(getattr(found[cap], name)))
        at = caps.index(best)
        found |= {cap: run(cap) for cap in caps[max(0, at - 1) : at + 2] if cap not in found}
    return found


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A row for each load."""
    arms = "no control | default | paper"
    yield f"| trace | pace | cache | total time, best cap | {arms} | mean session, best cap | {arms} |"
    yield f"| --- {'| ---: ' * 10}|"
    for row in rows:
        cells = [row.name, f"{row.job.pace:g}", f"{row.job.cache:g}x"]
        for name in MEASURES:
            cap, seconds = row.best(name)
            cells += [f"{span(seconds)} ({cap})", *(f"{row.relative(law, name):.3f}" for law in LAWS)]
        yield f"| {' | '.join(cells)} |"
    means, worst = ["**geometric mean**", "", ""], ["**worst**", "", ""]
    for name in MEASURES:
        values = [[row.relative(law, name) for row in rows] for law in LAWS]
        means += ["", *(f"{geometric_mean(each):.3f}" for each in values)]
        worst += ["", *(f"{max(each):.3f}" for each in values)]
    yield f"| {' | '.join(means)} |"
    yield f"| {' | '.join(worst)} |"


def misses(rows: Sequence[Row]) -> Iterator[str]:
    """Where the default law is above its bar."""
    for row in rows:
        for name, title in zip(MEASURES, ("total time", "mean session"), strict=True):
            relative = row.relative("tokens", name)
            if relative > BARS[1]:
                load = f"{row.name}, pace {row.job.pace:g}, cache {row.job.cache:g}x"
                results = ((law, row.laws[law]) for law in ("tokens", "off"))
                facts = (f"{law}: cache hits {each.hit_rate:.2f}, engine {span(each.busy_s)}" for law, each in results)
                yield f"- {load}: {title} {relative:.3f} of the best cap ({row.best(name)[0]}); {'; '.join(facts)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.traces", description=__doc__)
    parser.add_argument("trace", nargs="*", type=Path, help="files or folders (default: the recorded sessions)")
    parser.add_argument("--pace", type=float, action="append", help=f"default {', '.join(map(str, PACES))}")
    parser.add_argument("--cache", type=float, action="append", help=f"default {', '.join(map(str, CACHES))}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="keep the runs in this file, and do not run again what it has")
    parser.add_argument("--seconds", type=float, help="begin no run after so many seconds, and print no table then")
    given = parser.parse_args(arguments)
    if given.seconds is not None and given.keep is None:
        parser.error("--seconds needs --keep")
    ends_at = None if given.seconds is None else time.time() + given.seconds
    jobs = [
        Job(path=path, pace=pace, cache=size, keep=given.keep, ends_at=ends_at)
        for path, pace, size in product(given.trace or [RECORDING], given.pace or PACES, given.cache or CACHES)
    ]
    found: list[Measured] = []
    with ProcessPoolExecutor(given.jobs) as pool:
        for number, measured in enumerate(pool.map(measure, jobs), start=1):
            found.append(measured)
            print(f"\r{number} of {len(jobs)} loads", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if left := sum(each.is_left for each in found):
        print(f"{left} of {len(jobs)} loads are left: call it again")
        return
    rows = [row for each in found for row in each.rows]
    if problems := [f"- {each.problem}" for each in found if each.problem]:
        print("Not measured:\n\n" + "\n".join(problems) + "\n")
    if not rows:
        raise SystemExit(1)
    print("\n".join(f"- {facts}" for facts in dict.fromkeys(row.facts for row in rows)))
    print("\nTimes of no control, the default law and the paper's law are relative to the best cap:\n")
    print("\n".join(table(rows)))
    above = list(misses(rows))
    print(f"\nBar of the default law: geometric mean {BARS[0]:.2f}, worst {BARS[1]:.2f}.")
    if above:
        print("\nAbove it:\n\n" + "\n".join(above))


if __name__ == "__main__":
    main()
