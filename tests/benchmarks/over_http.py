"""Compares the simulator with the gateway over HTTP: `python -m tests.benchmarks.over_http`.

Runs the fleet of the demo on the emulated engine without control and under each law, does the same in virtual time, and
compares the ratios. Each run over HTTP takes about a minute. The machine needs one core for the engine and one for the
rest.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import get_type_hints

from rich.console import Console

from concur_proxy.lab.demo import run
from concur_proxy.lab.demo.options import SMALL_ENGINE, DemoOptions
from concur_proxy.lab.demo.workload import BYTES_PER_TOKEN
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import Policy
from tests.benchmarks.scripted import scripted_scenario

HEAD = """\
| law | over HTTP, s | ratio | simulated, s | ratio | difference |
| --- | ---: | ---: | ---: | ---: | ---: |"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.over_http", description=__doc__)
    parser.add_argument("--law", action="append", help="a control law to compare; repeatable (default tokens and aimd)")
    given = parser.parse_args(arguments)
    print(HEAD)
    for law in given.law or ["tokens", "aimd"]:
        print(compare(law), flush=True)


def compare(law: str) -> str:
    """A row: total times in seconds of the engine, and the speed relative to no control."""
    options = replace(DemoOptions(), law=law)
    free, controlled = asyncio.run(run.run(options, Console(quiet=True)))
    scenario = scripted_scenario(options.workload, _shape(), bytes_per_token=BYTES_PER_TOKEN)
    simulated = [Experiment(scenario, Policy(name=name, law=name), 1).run().makespan_s for name in ("off", law)]
    ratio, expected = free.makespan_s / controlled.makespan_s, simulated[0] / simulated[1]
    cells = (
        law,
        f"{controlled.makespan_s * options.time_scale:.0f} of {free.makespan_s * options.time_scale:.0f}",
        f"{ratio:.2f}x",
        f"{simulated[1]:.0f} of {simulated[0]:.0f}",
        f"{expected:.2f}x",
        f"{100 * (ratio / expected - 1):+.0f} %",
    )
    return f"| {' | '.join(cells)} |"


def _shape() -> EngineShape:
    given = zip(SMALL_ENGINE[::2], SMALL_ENGINE[1::2], strict=True)
    values = {flag.removeprefix("--").replace("-", "_"): float(value) for flag, value in given}
    types = get_type_hints(EmulatorOptions)
    return EmulatorOptions(**{name: types[name](value) for name, value in values.items()}).shape


if __name__ == "__main__":
    main()
