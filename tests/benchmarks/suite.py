"""All simulated loads in one table: `python -m tests.benchmarks.suite`.

Every scenario of `concur-proxy simulate --list` and, with `--random N`, N loads of each kind that are drawn at random.
Each runs without control, under fixed caps, under the default law and under the paper's law in the same gate. The best
cap is known only afterwards. *Best* is the better of no control and the best cap. `--kind` and `--only` choose loads: a
name, or a kind and a seed such as `shared:2005`. One seed of all scenarios takes about five minutes of CPU. The paper's
setting is left out unless it is asked for: `tests.benchmarks.paper` compares it in another way.
"""

import argparse
import os
from collections.abc import Sequence

from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.scenarios import KINDS
from tests.benchmarks.arms import Load, measure_all, table
from tests.benchmarks.random_loads import RANDOM_KINDS, draw

DEFAULT = tuple(kind for kind in KINDS if kind != "paper")
Chosen = list[tuple[str, Scenario]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.suite", description=__doc__)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="repeatable (default: all but paper)")
    parser.add_argument("--only", action="append", metavar="LOAD", help="a scenario, or KIND:SEED; repeatable")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="random loads of each kind (default 0)")
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first random load (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each load (default %(default)s)")
    parser.add_argument("--law", choices=list(POLICIES), default="tokens", help="default %(default)s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    given = parser.parse_args(arguments)
    try:
        chosen = (
            [named(name) for name in given.only]
            if given.only
            else loads_of(given.kind or DEFAULT, count=given.random, seed=given.seed)
        )
    except ValueError as error:
        parser.error(str(error))
    seeds = range(1, given.seeds + 1)
    loads = [Load(kind=kind, scenario=scenario, seeds=seeds, law=given.law) for kind, scenario in chosen]
    print("\n".join(table(measure_all(loads, given.jobs), law=given.law)))


def loads_of(kinds: Sequence[str], *, count: int, seed: int) -> Chosen:
    """The scenarios of these kinds, and after those of each kind `count` loads that are drawn at random."""
    chosen: Chosen = []
    for kind in kinds:
        chosen += [(kind, scenario) for scenario in KINDS[kind]]
        if kind in RANDOM_KINDS:
            chosen += [(kind, draw(kind, number)) for number in range(seed, seed + count)]
    return chosen


def named(name: str) -> tuple[str, Scenario]:
    """A scenario by its name, or a random load by KIND:SEED, and its kind."""
    kind, _, seed = name.partition(":")
    if kind in RANDOM_KINDS and seed.isdecimal():
        return kind, draw(kind, int(seed))
    for kind, scenarios in KINDS.items():
        for scenario in scenarios:
            if scenario.name == name:
                return kind, scenario
    raise ValueError(f"there is no load {name!r}: give a scenario of `concur-proxy simulate --list` or KIND:SEED")


if __name__ == "__main__":
    main()
