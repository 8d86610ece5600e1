"""`concur-proxy simulate`: compares control laws with fleets of agents, in virtual time."""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from concur_proxy import plugins
from concur_proxy.cli.files import is_writable
from concur_proxy.cli.flags import read_option
from concur_proxy.cli.parser import CommandParser, complain, positive_number, whole_number
from concur_proxy.lab.simulation.chart import chart
from concur_proxy.lab.simulation.policy import BEST_STATIC, POLICIES, Policy
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.scenarios import SCENARIOS
from concur_proxy.lab.simulation.suite import Row, Suite, summary, tabulate
from concur_proxy.lab.simulation.trace import TraceProblem, scenario_of

PROG = "concur-proxy simulate"

DESCRIPTION = """\
Runs fleets of agents against a model of an inference engine, with the gateway's own gate and control laws, in virtual
time: minutes of a cluster take a second. Compares total time, latency and fairness."""

ALL = "all"


def main(arguments: Sequence[str]) -> int:
    """Run the simulations and print the comparison; returns the exit status."""
    given = _parser().read(arguments)
    console = Console()
    if given.list:
        _list(console)
        return 0
    for flag in ("json", "svg"):
        path = getattr(given, flag)
        if path is not None and not is_writable(path):
            return complain(PROG, f"--{flag} {path}: cannot be written")
    try:
        suite = _suite(given)
    except (ValueError, TraceProblem) as error:
        return complain(PROG, str(error))
    results = _run(suite, given.jobs)
    rows = tabulate(suite, results)
    console.print(_table(rows, baseline=_baseline(suite)))
    if len(suite.scenarios) > 1:
        console.print(_summary(rows))
    if given.explain:
        _explain(console, results)
    if given.json:
        given.json.write_text(json.dumps([_plain(result) for result in results], indent=1) + "\n")
    if given.svg:
        given.svg.write_text(chart([row.results[0] for row in rows if row.scenario == suite.scenarios[0].name]))
    return 0


def _suite(given: argparse.Namespace) -> Suite:
    names = given.law or ["off", "aimd", "tokens"]
    policies = [_policy(name, dict(given.set)) for name in names if name != BEST_STATIC]
    if given.idle_lease is not None:
        policies = [dataclasses.replace(policy, idle_lease_s=given.idle_lease) for policy in policies]
    for key, value in given.set:
        if not any(_knows(policy.law, key, value) for policy in policies):
            raise ValueError(f"--set {key}={value}: no law has this option")
    for policy in policies:
        plugins.load(plugins.LAWS, policy.law)(policy.options)  # ValueError if an option is wrong
    return Suite(
        scenarios=_scenarios(given),
        policies=policies,
        seeds=range(1, given.seeds + 1),
        sweeps=BEST_STATIC in names,
    )


def _scenarios(given: argparse.Namespace) -> list[Scenario]:
    if given.trace:
        return [scenario_of(path, capacity_tokens=given.capacity_tokens) for path in given.trace]
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


def _policy(name: str, options: dict[str, str]) -> Policy:
    parts = name.split(":")
    own_options = dict(read_option(text) for text in parts if "=" in text)
    base = ":".join(text for text in parts if "=" not in text)
    if base in POLICIES:
        policy = POLICIES[base]
    elif base in plugins.available(plugins.LAWS) or ":" in base:
        policy = Policy(name=base, law=base)
    else:
        choices = [*POLICIES, BEST_STATIC]
        raise ValueError(f"there is no law {base!r}: choose one of {', '.join(choices)}")
    # --set applies only to the laws that know the option
    shared = {key: value for key, value in options.items() if _knows(policy.law, key, value)}
    return dataclasses.replace(policy, name=name, options={**policy.options, **shared, **own_options})


def _knows(law: str, key: str, value: str) -> bool:
    try:
        plugins.load(plugins.LAWS, law)({key: value})
    except ValueError as error:
        return "no option" not in str(error)
    return True


def _run(suite: Suite, processes: int) -> list[Result]:
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(suite.runs))
        for result in suite.results(processes):
            results.append(result)
            progress.advance(task)
    return results


def _baseline(suite: Suite) -> str:
    """The policy that the others are compared with."""
    if suite.sweeps:
        return "best cap"
    first = suite.policies[0].name
    return "no control" if first == "off" else first


def _table(rows: Sequence[Row], *, baseline: str) -> Table:
    """The comparison, narrow enough for 80 columns."""
    table = Table(
        title="Times in seconds, shares of tokens; means over the seeds",
        caption="p99: 99th percentile; fairness: Jain's index, 1 is equal",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    compared = f"vs {baseline}".replace(" ", "\n")
    headings = "total\ntime", compared, "cache\nhits", "recom-\nputed", "TTFT\np99", "wait\nmax", "session\np99"
    for heading in (*headings, "fair-\nness"):
        table.add_column(heading, justify="right")
    last = None
    for row in rows:
        if row.scenario != last:
            table.add_row(row.scenario, style="bold")
            last = row.scenario
        table.add_row(
            f"  {_name(row)}",
            f"{row.makespan_s:.0f}",
            f"{row.relative:.2f}",
            f"{row.mean('hit_rate'):.2f}",
            f"{row.mean('reprefill_share'):.2f}",
            f"{row.mean('ttft_p99_s'):.1f}",
            f"{row.worst('longest_hold_s'):.0f}",
            f"{row.mean('session_p99_s'):.0f}",
            f"{row.mean('jain'):.2f}",
        )
    return table


def _name(row: Row) -> str:
    if row.policy != BEST_STATIC:
        return row.policy
    return f"{BEST_STATIC}, {row.results[0].policy.removeprefix('static-')}"


def _summary(rows: Sequence[Row]) -> Table:
    table = Table(title="Relative total time over all scenarios", box=SIMPLE, pad_edge=False)
    for heading in ("", "geometric mean", "worst"):
        table.add_column(heading, justify="right" if heading else "left")
    for policy, (mean, worst) in summary(rows).items():
        table.add_row(policy, f"{mean:.3f}", f"{worst:.3f}")
    return table


def _explain(console: Console, results: Sequence[Result]) -> None:
    """Print every decision that raised or lowered a window, in order."""
    for result in results:
        for number, course in enumerate(result.courses):
            for point in course:
                if point.kind.value not in {"hold", "freeze"}:
                    where = f"{result.scenario}, {result.policy}, seed {result.seed}, engine {number}"
                    console.print(
                        f"{where}: {point.at:.0f} s: {point.reason}; "
                        f"{point.active} active, {point.waiting} waiting, usage {point.kv_usage:.2f}",
                        highlight=False,
                    )


def _plain(result: Result) -> dict[str, object]:
    values = {
        field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "courses"
    }
    points = [[dataclasses.asdict(point) | {"kind": point.kind.value} for point in course] for course in result.courses]
    return {**values, "courses": points}


def _list(console: Console) -> None:
    table = Table("scenario", "what it is")
    for scenario in SCENARIOS.values():
        table.add_row(scenario.name, scenario.summary)
    console.print(table)
    table = Table("law", "what it is")
    for policy in POLICIES.values():
        table.add_row(policy.name, policy.summary)
    table.add_row(BEST_STATIC, "the best of many fixed caps, which is known only afterwards")
    console.print(table)


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
        "--trace", metavar="FILE", type=Path, action="append", help="replay a file of serve --record; repeatable"
    )
    parser.add_argument(
        "--capacity-tokens",
        metavar="N",
        type=whole_number(1024),
        help="size of each engine's KV cache (default: the scenario's)",
    )
    parser.add_argument(
        "--idle-lease",
        metavar="SECONDS",
        type=positive_number,
        help="how long a session keeps its place between turns, with every law (default: learned)",
    )
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
