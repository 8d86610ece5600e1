"""The speed of the simulator on one core: `python -m tests.benchmarks.simulator` prints a Markdown table.

`--agents`, `--turns`, `--engines` and `--replicas` change the size of the simulation. `--per-s` lets agents arrive one
after another.
"""

import argparse
import resource
import time
from collections.abc import Sequence

from concur_proxy.lab.simulation.arrivals import AtOnce, Poisson
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.simulator", description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--engines", type=int, default=1)
    parser.add_argument("--replicas", type=int, default=1, help="gateways in front of the engines")
    parser.add_argument("--per-s", type=float, help="agents that arrive per second, at random; default: all at once")
    given = parser.parse_args(arguments)
    population = Population(
        agents=given.agents,
        turns=Uniform(given.turns, given.turns),
        growth_tokens=Uniform(200, 600),
        arrivals=AtOnce() if given.per_s is None else Poisson(per_s=given.per_s),
    )
    scenario = Scenario(
        name="speed", summary="", populations=[population], engines=given.engines, replicas=given.replicas
    )
    began = time.perf_counter()
    result = Experiment(scenario, POLICIES["tokens"], 1, keeps_courses=False).run()
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("| agents | turns | engines | replicas | requests | simulated, s | in, s | memory, MiB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {given.agents} | {given.turns} | {given.engines} | {given.replicas} | {result.requests} "
        f"| {result.makespan_s:.0f} | {seconds:.1f} | {memory:.0f} |"
    )


if __name__ == "__main__":
    main()
