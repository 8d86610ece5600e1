"""The benefit of moving sessions that have waited for some time: `python -m tests.benchmarks.moving` prints a Markdown
table.

A paused session resumes only on its own engine, or on another one after 8 s, or on another one at once. There are four
engines under the default law, and the figures are means of 3 seeds. All engines start with the same load. Where
sessions differ in length, the loads become uneven.
"""

import argparse
import dataclasses
import math
from collections.abc import Sequence
from statistics import fmean

from concur_proxy.lab.simulation.arrivals import Waves
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import HeavyTailed, Population, Scenario, Uniform
from concur_proxy.lab.simulation.scenarios import SCENARIOS

MOVE_AFTER_S = (math.inf, 8.0, 0.0)
UNEVEN = Population(agents=768, turns=HeavyTailed(8, 1.0, 60), growth_tokens=Uniform(100, 900))
CASES = (
    SCENARIOS["four-engines"],
    Scenario(
        name="few long sessions",
        summary="224 agents as in base, and 32 agents with about 30 turns",
        populations=[
            Population(agents=224),
            Population(agents=32, turns=HeavyTailed(30, 0.5, 60), growth_tokens=Uniform(100, 400)),
        ],
        engines=4,
    ),
    Scenario(name="uneven lengths", summary="8 turns in the median, up to 60", populations=[UNEVEN], engines=4),
    Scenario(
        name="uneven, in waves",
        summary="as before, 192 agents a minute",
        populations=[dataclasses.replace(UNEVEN, arrivals=Waves(size=192, every_s=60))],
        engines=4,
    ),
    Scenario(
        name="heavy-tailed tools",
        summary="tools of 2 s in the median and up to 300 s",
        populations=[Population(agents=512, gap_s=HeavyTailed(2.0, 1.5, 300.0))],
        engines=4,
    ),
)
HEAD = """\
| load | move after | total time, s | | session p99, s | wait p99, s | sessions moved |
| --- | --- | ---: | ---: | ---: | ---: | ---: |"""


def measure(case: Scenario, move_after_s: float, seeds: int) -> list[float]:
    """Total time, session p99, wait p99 and number of moves, each a mean over the seeds."""
    rows = []
    for seed in range(1, seeds + 1):
        policy = dataclasses.replace(POLICIES["tokens"], move_after_s=move_after_s)
        experiment = Experiment(case, policy, seed, keeps_courses=False)
        result = experiment.run()
        moved = sum(gate.counters["move", "waited"] for gate in experiment.gateway.fleet.gates.values())
        rows.append((result.makespan_s, result.session_p99_s, result.hold_p99_s, float(moved)))
    return [fmean(values) for values in zip(*rows, strict=True)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.moving", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    print(HEAD)
    for case in CASES:
        alone = 0.0
        for move_after_s in MOVE_AFTER_S:
            makespan_s, session_s, hold_s, moved = measure(case, move_after_s, given.seeds)
            alone = alone or makespan_s
            name = "never" if move_after_s == math.inf else f"{move_after_s:g} s"
            change = f"{100 * (makespan_s / alone - 1):+.1f} %" if makespan_s != alone else ""
            numbers = f"{session_s:.0f} | {hold_s:.0f} | {moved:.0f}"
            print(f"| {case.name} | {name} | {makespan_s:.0f} | {change} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
