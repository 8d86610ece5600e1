"""Compares the simulator with the gateway over HTTP: `python -m tests.benchmarks.over_http`.

Runs 64 agents that name their sessions on the demo's emulated engine, without control and under each law, does the same
in virtual time, and compares the ratios. Each run over HTTP takes about a minute. The machine needs one core for the
engine and one for the rest.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from concur_proxy.lab.demo import run
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.workload import Workload

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
    """A row: total times in the engine's seconds, and how many times faster the fleet finishes under the law."""
    comparison = asyncio.run(run.run(replace(DemoOptions(), law=law, workload=Workload()), Console(quiet=True)))
    if comparison.void is not None or comparison.virtual is None:
        raise SystemExit(f"{law}: {comparison.void}")
    free, controlled = comparison.runs
    ratio, virtual = free.makespan_s / controlled.makespan_s, comparison.virtual
    cells = (
        law,
        f"{controlled.makespan_s * controlled.time_scale:.0f} of {free.makespan_s * free.time_scale:.0f}",
        f"{ratio:.2f}x",
        f"{virtual.controlled_s:.0f} of {virtual.uncontrolled_s:.0f}",
        f"{virtual.ratio:.2f}x",
        f"{100 * (ratio / virtual.ratio - 1):+.0f} %",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
