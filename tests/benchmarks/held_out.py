"""The default law on random loads: `python -m tests.benchmarks.held_out` prints a Markdown table.

Engines, tools, sizes and arrivals are drawn at random, a new load for each `--seed`. The law was tuned on the
scenarios of the suite. These loads show what it is worth elsewhere. 60 loads take about ten minutes on two cores.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import geometric_mean

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, static
from concur_proxy.lab.simulation.scenario import (
    AtOnce,
    HeavyTailed,
    Poisson,
    Population,
    Scenario,
    Spread,
    Uniform,
    Waves,
)

CAPS = (4, 6, 8, 12, 16, 24, 32, 48)
WORST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The total times of one load, in seconds."""

    name: str
    off_s: float
    best_cap_s: float
    tokens_s: float

    @property
    def to_off(self) -> float:
        """The total time under the default law, relative to no control."""
        return self.tokens_s / self.off_s

    @property
    def to_best(self) -> float:
        """The total time under the default law, relative to the better of no control and the best cap."""
        return self.tokens_s / min(self.off_s, self.best_cap_s)


def load(seed: int, *, share: float | None = None, groups: int = 1) -> Scenario:
    """Draw a load at random. Sizes and times are spread evenly over their orders of magnitude.

    `share` is the part of the contexts that the agents of each of the `groups` have in common. It is added to what an
    agent has of its own, but a context has at most a third of the cache. None: agents share a little of the first
    prompt.
    """
    random = Random(seed)
    capacity = round(24_000 * 2 ** random.uniform(0, 4.5))
    prefill_tokens_s = 3_000 * 2 ** random.uniform(0, 3.5)
    step_s = random.choice([0.008, 0.015, 0.022, 0.035])
    context = capacity / 2 ** random.uniform(2.5, 5.5)
    turns = random.choice([4, 8, 12, 25])
    tool_s = 0.2 * 2 ** random.uniform(0, 7)
    gap: Spread = Uniform(0.3 * tool_s, 2 * tool_s)
    if random.random() < 1 / 3:
        gap = HeavyTailed(tool_s, random.choice([0.7, 1.0, 1.5]), 40 * tool_s)
    if share is not None:
        context = min(context / (1 - share), capacity / 3)
    own = context * (1 - (share or 0.0))
    first = own * random.choice([0.1, 0.3])
    growth = max(20.0, (own - first) / turns)
    answer = random.choice([0.1, 0.3, 0.6]) * growth
    ways: list[AtOnce | Waves | Poisson] = [AtOnce(), AtOnce(), Waves(size=16, every_s=30.0), Poisson(per_s=0.5)]
    arrivals = random.choice(ways)
    population = Population(
        agents=random.choice([48, 96]),
        turns=Uniform(0.8 * turns, 1.2 * turns),
        shared_tokens=round(0.3 * first if share is None else share * context),
        groups=groups,
        first_tokens=Uniform(0.5 * first, first),
        growth_tokens=Uniform(0.5 * (growth - answer), 1.5 * (growth - answer)),
        answer_tokens=Uniform(max(4.0, 0.5 * answer), 1.5 * answer + 4),
        gap_s=gap,
        arrivals=arrivals,
        says_end=random.random() < 0.3,
    )
    name = (
        f"{seed}: cache {capacity // 1000}k, prefill {prefill_tokens_s / 1000:.0f}k/s, step {1000 * step_s:.0f} ms; "
        f"{population.agents} agents, {turns} turns to {context / 1000:.1f}k, tools {tool_s:.1f} s, "
        f"{type(arrivals).__name__.lower()}"
    )
    cost = CostModel(step_s=step_s, prefill_tokens_s=prefill_tokens_s)
    return Scenario(
        name=name, summary="", populations=[population], shape=EngineShape(capacity_tokens=capacity, cost=cost)
    )


def compare(seed: int, *, law: str) -> Comparison:
    """All runs of one load."""
    scenario = load(seed)
    off, tokens, *caps = (
        Experiment(scenario, policy, seed).run().makespan_s
        for policy in (POLICIES["off"], POLICIES[law], *map(static, CAPS))
    )
    return Comparison(name=scenario.name, off_s=off, best_cap_s=min(caps), tokens_s=tokens)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.held_out", description=__doc__)
    parser.add_argument("--loads", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1000, help="seed of the first load (default %(default)s)")
    parser.add_argument("--law", choices=list(POLICIES), default="tokens", help="default %(default)s")
    given = parser.parse_args(arguments)
    found: list[Comparison] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(partial(compare, law=given.law), range(given.seed, given.seed + given.loads)):
            found.append(one)
            print(f"\r{len(found)} of {given.loads} loads", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(
        f"| {given.loads} loads | to no control | to the better of no control and the best cap |\n| --- | ---: | ---: |"
    )
    offs, bests = [one.to_off for one in found], [one.to_best for one in found]
    print(f"| geometric mean | {geometric_mean(offs):.3f} | {geometric_mean(bests):.3f} |")
    for one in sorted(found, key=lambda one: -one.to_best)[:WORST_SHOWN]:
        print(f"| {one.name} | {one.to_off:.2f} | {one.to_best:.2f} |")


if __name__ == "__main__":
    main()
