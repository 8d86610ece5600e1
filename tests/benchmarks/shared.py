"""The default law where agents share large prompts: `python -m tests.benchmarks.shared` prints a Markdown table.

Five loads of the simulator, and loads drawn at random in which all agents, or the agents of each group, share up to
80 % of their contexts. Each runs under the default law, under no control, and under many fixed caps. 40 random loads
take about eight minutes on two cores. `--loads 4` gives a first impression. `--only shared-20k --only 2005` runs one of
the five and the random load of this seed.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from random import Random
from statistics import geometric_mean

from concur_proxy.lab.simulation.policy import BEST_STATIC, POLICIES
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.scenarios_shared import SHARED
from concur_proxy.lab.simulation.suite import Row, Suite, tabulate
from tests.benchmarks.held_out import load

MOST_SHARED = 0.8
GROUPS = (1, 1, 1, 4, 8, 16)
"""Half of the random loads have one prompt for all."""
MOST_TO_BEST = 1.05
MOST_TO_OFF = 1.03
"""What the law may take at most, relative to the best cap and to no control."""


def random_load(seed: int) -> Scenario:
    """Draw a load at random, and how much of it is shared by whom."""
    random = Random(f"shared {seed}")
    share, groups = random.uniform(0, MOST_SHARED), random.choice(GROUPS)
    scenario = load(seed, share=share, groups=groups)
    whom = "by all" if groups == 1 else f"in {groups} groups"
    return dataclasses.replace(scenario, name=f"{scenario.name}; {share:.0%} shared {whom}".replace("%", " %"))


class Comparison:
    """The total times of one load, in seconds: means over the seeds."""

    def __init__(self, rows: Sequence[Row], law: str) -> None:
        """`rows` are those of one scenario."""
        by_policy = {row.policy: row for row in rows}
        self.name = rows[0].scenario
        self.off_s = by_policy["off"].makespan_s
        self.law_s = by_policy[law].makespan_s
        self.best_cap_s = by_policy[BEST_STATIC].makespan_s
        self.best_cap = by_policy[BEST_STATIC].results[0].policy.removeprefix("static-")

    @property
    def to_off(self) -> float:
        """The total time under the law, relative to no control."""
        return self.law_s / self.off_s

    @property
    def to_best(self) -> float:
        """The total time under the law, relative to the best cap."""
        return self.law_s / self.best_cap_s


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.shared", description=__doc__)
    parser.add_argument("--loads", type=int, default=40, help="random loads (default %(default)s)")
    parser.add_argument("--seed", type=int, default=2000, help="seed of the first random load (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each load (default %(default)s)")
    parser.add_argument("--only", action="append", metavar="LOAD", help="a name, or the seed of a random load")
    parser.add_argument("--law", choices=list(POLICIES), default="tokens", help="default %(default)s")
    given = parser.parse_args(arguments)
    if given.only:
        named = {scenario.name: scenario for scenario in SHARED}
        scenarios = [named[one] if one in named else random_load(int(one)) for one in given.only]
    else:
        scenarios = [*SHARED, *map(random_load, range(given.seed, given.seed + given.loads))]
    suite = Suite(
        scenarios=scenarios,
        policies=[POLICIES["off"], POLICIES[given.law]],
        seeds=range(1, given.seeds + 1),
        sweeps=True,
    )
    results: list[Result] = []
    runs = len(suite.runs)
    for result in suite.results(os.cpu_count() or 1):
        results.append(dataclasses.replace(result, courses=()))
        print(f"\r{len(results)} of {runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = tabulate(suite, results)
    found = [Comparison([row for row in rows if row.scenario == each.name], given.law) for each in scenarios]
    print("\n".join(table(found, law=given.law)))


def table(found: Sequence[Comparison], *, law: str) -> list[str]:
    """A row for each load, in bold if the law takes more than it may, and below them the mean and the worst ratios."""
    lines = [
        f"| load | best cap, s | no control, s | {law}, s | to the best cap | to no control |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        mark = "**" if one.to_best > MOST_TO_BEST or one.to_off > MOST_TO_OFF else ""
        times = f"{one.best_cap_s:.0f} ({one.best_cap}) | {one.off_s:.0f} | {one.law_s:.0f}"
        lines.append(f"| {mark}{one.name}{mark} | {times} | {one.to_best:.2f} | {one.to_off:.2f} |")
    bests, offs = [one.to_best for one in found], [one.to_off for one in found]
    lines.append(f"| geometric mean | | | | {geometric_mean(bests):.3f} | {geometric_mean(offs):.3f} |")
    lines.append(f"| worst | | | | {max(bests):.2f} | {max(offs):.2f} |")
    over = sum(ratio > MOST_TO_BEST for ratio in bests), sum(ratio > MOST_TO_OFF for ratio in offs)
    lines.append(f"| loads above {MOST_TO_BEST} and above {MOST_TO_OFF} | | | | {over[0]} | {over[1]} |")
    return lines


if __name__ == "__main__":
    main()
