"""The default law on loads drawn at random: `python -m tests.benchmarks.held_out` prints a Markdown table.

Engines, tools, sizes, arrivals and what agents do are drawn at random, a new load for each `--seed`. The law was tuned
on the scenarios of the suite. These loads show what it is worth elsewhere. Their kinds, which are those of
`concur-proxy simulate --list`, take turns. 60 loads take about ten minutes on two cores.
"""

import argparse
import os
from collections.abc import Sequence

from concur_proxy.lab.simulation.policy import POLICIES
from tests.benchmarks.arms import Load, measure_all, table
from tests.benchmarks.random_loads import RANDOM_KINDS, draw


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.held_out", description=__doc__)
    parser.add_argument("--loads", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first load (default %(default)s)")
    parser.add_argument("--kind", action="append", choices=RANDOM_KINDS, help="repeatable (default: all)")
    parser.add_argument("--law", choices=list(POLICIES), default="tokens", help="default %(default)s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    given = parser.parse_args(arguments)
    loads = chosen(given.kind or RANDOM_KINDS, count=given.loads, seed=given.seed, law=given.law)
    print("\n".join(table(measure_all(loads, given.jobs), law=given.law)))


def chosen(kinds: Sequence[str], *, count: int, seed: int, law: str) -> list[Load]:
    """The loads, of each kind in turn. A load runs with its own seed."""
    each = [(kinds[number % len(kinds)], seed + number) for number in range(count)]
    return [Load(kind=kind, scenario=draw(kind, number), seeds=[number], law=law) for kind, number in each]


if __name__ == "__main__":
    main()
