"""Loads under each arm of the suite's table: no control, the best fixed cap, the default law and the paper's law."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from statistics import fmean, geometric_mean

from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import CAPS, POLICIES, Policy, static
from concur_proxy.lab.simulation.scenario import Scenario

PAPERS_LAW = "aimd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to run."""

    kind: str
    scenario: Scenario
    seeds: Sequence[int]
    law: str = "tokens"
    """The policy that is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The total times of one load, in seconds: means over the seeds."""

    kind: str
    name: str
    off_s: float
    cap: int
    cap_s: float
    law_s: float
    paper_s: float

    @property
    def best_s(self) -> float:
        """The best of no control and the best cap, which is known only afterwards."""
        return min(self.off_s, self.cap_s)


def measure(load: Load) -> Row:
    """All runs of one load."""

    def seconds(policy: Policy) -> float:
        runs = (Experiment(load.scenario, policy, seed, keeps_courses=False).run() for seed in load.seeds)
        return fmean(result.makespan_s for result in runs)

    cap, cap_s = best_cap(CAPS, lambda cap: seconds(static(cap)))
    return Row(
        kind=load.kind,
        name=load.scenario.name,
        off_s=seconds(POLICIES["off"]),
        cap=cap,
        cap_s=cap_s,
        law_s=seconds(POLICIES[load.law]),
        paper_s=seconds(POLICIES[PAPERS_LAW]),
    )


def best_cap(caps: Sequence[int], seconds: Callable[[int], float]) -> tuple[int, float]:
    """The cap with the lowest total time. Every fourth cap is tried, then the neighbours of the best one as long as
    they are better.
    """
    known = cache(seconds)
    at = min(range(2, len(caps), 4), key=lambda place: known(caps[place]))
    while True:
        near = range(max(0, at - 1), min(len(caps), at + 2))
        best = min(near, key=lambda place: known(caps[place]))
        if known(caps[best]) >= known(caps[at]):
            return caps[at], known(caps[at])
        at = best


def measure_all(loads: Sequence[Load], processes: int) -> list[Row]:
    """The rows of all loads, in their order. Says on standard error how many are done."""
    rows: list[Row] = []
    with ProcessPoolExecutor(processes) as pool:
        for row in pool.map(measure, loads):
            rows.append(row)
            print(f"\r{len(rows)} of {len(loads)} loads", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def table(rows: Sequence[Row], *, law: str = "tokens") -> Iterator[str]:
    """A row for each load, then the geometric means of each kind and of all, and the worst."""
    yield (
        f"| load | no control, s | best cap, s | {law}, s | {PAPERS_LAW}, s | {law} to best | {PAPERS_LAW} to best "
        f"| {law} to no control | {PAPERS_LAW} to no control |"
    )
    yield f"| --- {'| ---: ' * 8}|"
    for row in rows:
        times = f"{row.off_s:.0f} | {row.cap_s:.0f} ({row.cap}) | {row.law_s:.0f} | {row.paper_s:.0f}"
        yield f"| {row.name} | {times} | {' | '.join(f'{ratio:.2f}' for ratio in _ratios(row))} |"
    kinds = list(dict.fromkeys(row.kind for row in rows))
    for kind in kinds if len(kinds) > 1 else ():
        yield _summary(f"{kind}: geometric mean", [row for row in rows if row.kind == kind], geometric_mean)
    yield _summary("**all: geometric mean**", rows, geometric_mean)
    yield _summary("**all: worst**", rows, max)


def _ratios(row: Row) -> tuple[float, ...]:
    return (
        row.law_s / row.best_s,
        row.paper_s / row.best_s,
        row.law_s / row.off_s,
        row.paper_s / row.off_s,
    )


def _summary(name: str, rows: Sequence[Row], summary: Callable[[Sequence[float]], float]) -> str:
    columns = zip(*map(_ratios, rows), strict=True)
    return f"| {name} | | | | | {' | '.join(f'{summary(column):.3f}' for column in columns)} |"
