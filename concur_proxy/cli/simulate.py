"""`concur-proxy simulate`: compares control laws with fleets of agents, in virtual time."""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from concur_proxy.cli.comparison import (
    as_json,
    baseline_of,
    comparison_table,
    print_choices,
    print_decisions,
    summary_table,
)
from concur_proxy.cli.files import is_writable
from concur_proxy.cli.flags import read_option
from concur_proxy.cli.goals import add_flags
from concur_proxy.cli.parser import CommandParser, complain, positive_number, time_span, whole_number
from concur_proxy.cli.policies import chosen_laws, chosen_policies
from concur_proxy.cli.terminal import Lines, Output, steps
from concur_proxy.cli.traces import MEASURE, cache_size, print_traces, print_verdicts, read_traces, trace_table
from concur_proxy.control.faults import Faults, problems_of
from concur_proxy.lab.recorded.load import TraceLoad, WorkingSets
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.simulation.chart import chart
from concur_proxy.lab.simulation.policy import BEST_STATIC, Policy
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.scenarios import SCENARIOS
from concur_proxy.lab.simulation.suite import Suite, tabulate

PROG = "concur-proxy simulate"

DESCRIPTION = """\
Runs fleets of agents against a model of an inference engine, with the gateway's own gate and control laws, in virtual
time: minutes of a cluster take a second. Compares total time, latency and fairness."""

ALL = "all"


def main(arguments: Sequence[str]) -> int:
    """Run the simulations and print the comparison; returns the exit status."""
    given = _parser().read(arguments)
    console = Output()
    if given.list:
        print_choices(console)
        return 0
    for flag in ("json", "svg"):
        path = getattr(given, flag)
        if path is not None and not is_writable(path):
            return complain(PROG, f"--{flag} {path}: cannot be written")
    try:
        policies = chosen_policies(given)
        loads = _loads(given)
        suite = _suite(given, policies, [load.scenario for load in loads])
    except ValueError as error:
        return complain(PROG, *problems_of(error))
    except TraceProblem as error:
        return complain(PROG, str(error))
    print_traces(console, loads, pace=given.pace)
    results = _run(suite, given.jobs)
    rows = tabulate(suite, results)
    console.print(trace_table(rows) if loads else comparison_table(rows, baseline=baseline_of(suite)))
    if len(suite.scenarios) > 1 and not loads:
        console.print(summary_table(rows))
    if given.explain:
        print_decisions(console, results)
    _write(given, results, [row.results[0] for row in rows if row.scenario == suite.scenarios[0].name])
    if loads:
        print_verdicts(console, rows, policies)
    return 0


def _write(given: argparse.Namespace, results: Sequence[Result], drawn: Sequence[Result]) -> None:
    if given.json:
        given.json.write_text(json.dumps([as_json(result) for result in results], indent=1) + "\n")
    if given.svg:
        given.svg.write_text(chart(drawn))


def _loads(given: argparse.Namespace) -> list[TraceLoad]:
    if not given.trace:
        return []
    with steps("reading") as show:
        return read_traces(given.trace, capacity=given.capacity_tokens, pace=given.pace, show=show)


def _suite(given: argparse.Namespace, policies: Sequence[Policy], traces: Sequence[Scenario]) -> Suite:
    return Suite(
        scenarios=traces or _scenarios(given),
        policies=policies,
        seeds=range(1, given.seeds + 1),
        sweeps=BEST_STATIC in chosen_laws(given),
        measure=MEASURE if traces else "makespan_s",
    )


def _scenarios(given: argparse.Namespace) -> list[Scenario]:
    if isinstance(given.capacity_tokens, WorkingSets):
        raise Faults(["--capacity-tokens: only a --trace has a working set: give a number of tokens"])
    if given.pace != 1:
        raise Faults(["--pace: only a --trace has a pace"])
    names = list(SCENARIOS) if ALL in given.scenario else given.scenario or ["base"]
    scenarios = []
    for name in names:
        if name not in SCENARIOS:
            raise ValueError(f"there is no scenario {name!r}: choose {ALL} or one of {', '.join(SCENARIOS)}")
        scenario = SCENARIOS[name]
        if given.capacity_tokens:
            shape = dataclasses.replace(scenario.shape, capacity_tokens=given.capacity_tokens)
            scenario = dataclasses.replace(scenario, shape=shape)
        scenarios.append(scenario)
    return scenarios


def _run(suite: Suite, processes: int) -> list[Result]:
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console, lines, total = Output(stderr=True), Lines(), len(suite.runs)
    results: list[Result] = []
    with Progress(*columns, console=console, transient=True, disable=not console.can_redraw) as progress:
        task = progress.add_task("", total=total)
        for result in suite.results(processes):
            results.append(result)
            progress.advance(task)
            if not console.can_redraw and lines.are_due:
                console.print(f"simulating: {len(results)} of {total} runs")
    return results


def _parser() -> CommandParser:
    parser = CommandParser(PROG, usage="[SCENARIO ...] [options]", description=DESCRIPTION)
    parser.add_argument(
        "scenario", nargs="*", metavar="SCENARIO", help=f"a scenario of --list, or {ALL} (default base)"
    )
    parser.add_argument("--list", action="store_true", help="list scenarios and laws")
    parser.add_argument(
        "--law",
        metavar="NAME",
        action="append",
        help="a control law to compare, also with options as NAME:key=value; repeatable (default off, aimd, tokens)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        type=read_option,
        default=[],
        help="an option for each law that has it; repeatable",
    )
    parser.add_argument(
        "--seeds",
        metavar="N",
        type=whole_number(1),
        default=1,
        help="runs of each law, with different seeds (default %(default)s)",
    )
    parser.add_argument(
        "--jobs", metavar="N", type=whole_number(1), default=os.cpu_count() or 1, help="processes (default %(default)s)"
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        type=Path,
        action="append",
        help="replay a file of serve --record, sessions in WEKA's format (also a folder) or requests in Mooncake's; "
        "repeatable",
    )
    parser.add_argument(
        "--pace",
        metavar="FACTOR",
        type=positive_number,
        default=1.0,
        help="with --trace: multiply think times, tool calls and times between sessions (default %(default)g)",
    )
    parser.add_argument(
        "--capacity-tokens",
        metavar="N",
        type=cache_size,
        help="size of each engine's KV cache, with --trace also as a multiple of the working set, such as 0.5x "
        "(default: the scenario's, or as recorded)",
    )
    parser.add_argument(
        "--idle-lease",
        metavar="TIME",
        type=time_span,
        help="how long a session keeps its place between turns, with every law (default: learned)",
    )
    parser.add_argument(
        "--no-work-conserving",
        action="store_true",
        help="admit no session beyond the window, with every law; a law of --list may do so already",
    )
    add_flags(parser)
    parser.add_argument("--explain", action="store_true", help="print every decision that raised or lowered a window")
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write the numbers and decisions of every run to this file"
    )
    parser.add_argument(
        "--svg",
        metavar="FILE",
        type=Path,
        help="draw window, cache usage, hit rate and throughput over time into this file",
    )
    return parser
