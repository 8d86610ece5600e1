"""What each goal promises and costs, in the simulator: `python -m tests.benchmarks.goals`.

Three tables: the price of each goal on overloads; `balanced` below 1.5 times the knee, where the first token must come
no later than without control; and both curves, total time and first token, over the size of the window. All times to
the first token include the wait for admission. The target of `first-token` is the lowest p99 that no control or any
window reaches on the same load, so that it can be met. The exit status is 1 if a promise does not hold.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from concur_proxy.admission.goal import Goal
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.scenario import Population, Scenario
from concur_proxy.lab.simulation.scenarios import SCENARIOS

OVERLOADS = (
    "base",
    "short-tools",
    "large-growth",
    "decode-heavy",
    "many-turns",
    "heavy-tailed-tools",
    "waves",
    "sub-agents",
    "chat-beside-agents",
    "four-engines",
    "qwen3-32b",
    "deepseek-v3",
)
WINDOWS = (16, 24, 32, 48, 64, 96)
LARGEST = WINDOWS[-2:]
"""Smaller windows never have the earliest first token at overload."""
KNEE = 26
"""Agents of `base` whose caches fit: with more, no control loses time against the best window."""
BELOW = (13, 20, 26, 28, 30, 32, 34, 36, 38)
"""Numbers of agents below 1.5 times the knee."""
TARGETS_S = (90.0, 120.0, 180.0)
"""Targets that the curve shows; without control, the p99 is 118 s."""
ROUNDING = 1.005
"""Times are compared as exactly as the table shows them."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one policy does on one load: means over the seeds, seconds."""

    total_s: float
    first_s: float
    """The 99th percentile of the time to the first token."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.goals", description=__doc__)
    parser.add_argument(
        "--scenario", action="append", choices=list(SCENARIOS), help="an overload; repeatable (default: all here)"
    )
    parser.add_argument("--only", choices=("price", "knee", "curve"), help="one of the tables")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each load (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    given = parser.parse_args(arguments)
    broken: list[str] = []
    with ProcessPoolExecutor(given.jobs) as pool:
        bench = Bench(pool, range(1, given.seeds + 1))
        if given.only in {None, "price"}:
            print("\n".join(bench.prices(given.scenario or OVERLOADS, broken)))
        if given.only in {None, "knee"}:
            print("\n".join(bench.below_the_knee(broken)))
        if given.only in {None, "curve"}:
            print("\n".join(bench.curve()))
    for promise in broken:
        print(f"\nNot kept: {promise}")
    if broken:
        sys.exit(1)


class Bench:
    """Runs policies on loads in parallel processes."""

    def __init__(self, pool: ProcessPoolExecutor, seeds: Sequence[int]) -> None:
        self._pool = pool
        self._seeds = seeds

    def runs(self, scenario: Scenario, policies: Sequence[Policy]) -> list[Run]:
        """One result for each policy."""
        tasks = [(scenario, policy, seed) for policy in policies for seed in self._seeds]
        results, count = list(self._pool.map(_run, tasks)), len(self._seeds)
        parts = [results[at : at + count] for at in range(0, len(results), count)]
        return [Run(fmean(run.total_s for run in part), fmean(run.first_s for run in part)) for part in parts]

    def prices(self, names: Sequence[str], broken: list[str]) -> Iterator[str]:
        """A row for each overload: total time and first token of each goal."""
        yield "Total time / p99 of the first token, seconds, on overloads:\n"
        yield "| load | no control | throughput | balanced | first-token | its target |"
        yield f"| --- |{' ---: |' * 5}"
        slower: dict[Goal, list[float]] = {Goal.BALANCED: [], Goal.FIRST_TOKEN: []}
        for name in names:
            scenario = SCENARIOS[name]
            caps = [static(cap * scenario.engines) for cap in LARGEST]
            off, plain, balanced, *windows = self.runs(
                scenario, [POLICIES["off"], with_goal(), with_goal(Goal.BALANCED), *caps]
            )
            target_s = min(run.first_s for run in (off, *windows))
            (first,) = self.runs(scenario, [with_goal(Goal.FIRST_TOKEN, target_s)])
            if first.first_s > ROUNDING * target_s:
                broken.append(f"first-token on {name}: {first.first_s:.0f} s, and a window reaches {target_s:.0f} s")
            slower[Goal.BALANCED].append(balanced.total_s / plain.total_s)
            slower[Goal.FIRST_TOKEN].append(first.total_s / plain.total_s)
            cells = " | ".join(f"{run.total_s:.0f} / {run.first_s:.0f}" for run in (off, plain, balanced, first))
            yield f"| {name} | {cells} | {target_s:.0f} |"
        means = {goal: geometric_mean(values) for goal, values in slower.items()}
        yield (
            f"\nGeometric mean of the total time, relative to `throughput`: `balanced` {means[Goal.BALANCED]:.2f}, "
            f"`first-token` {means[Goal.FIRST_TOKEN]:.2f}.\n"
        )

    def below_the_knee(self, broken: list[str]) -> Iterator[str]:
        """A row for each number of agents: the first token without control and with each goal."""
        yield f"`base` with fewer agents; its knee is at {KNEE}. Total time / p99 of the first token, seconds:\n"
        yield "| agents | load, knees | no control | throughput | balanced |"
        yield f"| ---: |{' ---: |' * 4}"
        for agents in BELOW:
            policies = [POLICIES["off"], with_goal(), with_goal(Goal.BALANCED)]
            off, plain, balanced = self.runs(_base(agents), policies)
            if balanced.first_s > ROUNDING * off.first_s:
                broken.append(
                    f"balanced with {agents} agents: {balanced.first_s:.1f} s, no control {off.first_s:.1f} s"
                )
            cells = " | ".join(f"{run.total_s:.0f} / {run.first_s:.1f}" for run in (off, plain, balanced))
            yield f"| {agents} | {agents / KNEE:.2f} | {cells} |"

    def curve(self) -> Iterator[str]:
        """A row for each window and each goal on `base`."""
        yield "\nBoth curves on `base`: from small windows to none, and the goals:\n"
        yield "| window | total time, s | first token p99, s |"
        yield "| --- | ---: | ---: |"
        targets = [with_goal(Goal.FIRST_TOKEN, target_s) for target_s in TARGETS_S]
        goals = [with_goal(), with_goal(Goal.BALANCED), *targets]
        policies = [*(static(cap) for cap in WINDOWS), POLICIES["off"], *goals]
        for policy, run in zip(policies, self.runs(SCENARIOS["base"], policies), strict=True):
            target = "" if policy.first_token_target_s is None else f", target {policy.first_token_target_s:.0f} s"
            name = f"goal `{policy.goal.value}`{target}" if policy.law == "tokens" else policy.name
            yield f"| {name} | {run.total_s:.0f} | {run.first_s:.0f} |"


def with_goal(goal: Goal = Goal.THROUGHPUT, target_s: float | None = None) -> Policy:
    """The default law under a goal."""
    return dataclasses.replace(POLICIES["tokens"], goal=goal, first_token_target_s=target_s)


def _base(agents: int) -> Scenario:
    return dataclasses.replace(SCENARIOS["base"], populations=[Population(agents=agents)])


def _run(task: tuple[Scenario, Policy, int]) -> Run:
    scenario, policy, seed = task
    result = Experiment(scenario, policy, seed, keeps_courses=False).run()
    return Run(result.makespan_s, result.ttft_p99_s)


if __name__ == "__main__":
    main()
