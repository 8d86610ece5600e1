"""Tables and lists of `concur-proxy simulate`."""

import dataclasses
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from concur_proxy import plugins
from concur_proxy.control.phrasing import percent
from concur_proxy.lab.simulation.policy import BEST_STATIC, POLICIES
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenarios import KINDS
from concur_proxy.lab.simulation.suite import Row, Suite, summary


def baseline_of(suite: Suite) -> str:
    """The policy that the others are compared with."""
    if suite.sweeps:
        return "best cap"
    first = suite.policies[0].name
    return "no control" if first == "off" else first


def comparison_table(rows: Sequence[Row], *, baseline: str) -> Table:
    """The comparison, narrow enough for 80 columns."""
    table = Table(
        title="Times in seconds, shares of tokens; means over the seeds",
        caption="TTFT: time to the first token, waits included; p99: 99th percentile; "
        "fairness: Jain's index, 1 is equal",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("", overflow="fold")  # a long name takes a second line; numbers are never cut
    compared = "vs\nfirst" if len(baseline) > len("no control") else f"vs {baseline}".replace(" ", "\n")
    headings = "total\ntime", compared, "cache\nhits", "recom-\nputed", "TTFT\np99", "wait\nmax", "session\np99"
    for heading in (*headings, "fair-\nness"):
        table.add_column(heading, justify="right", no_wrap=True)
    last = None
    for row in rows:
        if row.scenario != last:
            table.add_row(row.scenario, style="bold")
            last = row.scenario
        table.add_row(
            f"  {policy_name(row)}",
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


def policy_name(row: Row) -> str:
    """The policy's name, and for the best cap its size."""
    if row.policy != BEST_STATIC:
        return row.policy
    return f"{BEST_STATIC}, {row.results[0].policy.removeprefix('static-')}"


def summary_table(rows: Sequence[Row]) -> Table:
    table = Table(title="Relative total time over all scenarios", box=SIMPLE, pad_edge=False)
    for heading in ("", "geometric mean", "worst"):
        table.add_column(heading, justify="right" if heading else "left")
    for policy, (mean, worst) in summary(rows).items():
        table.add_row(policy, f"{mean:.3f}", f"{worst:.3f}")
    return table


def print_decisions(console: Console, results: Sequence[Result]) -> None:
    """Print every decision that raised or lowered a window, in order."""
    for result in results:
        for number, course in enumerate(result.courses):
            for point in course:
                if point.kind.value not in {"hold", "freeze"}:
                    where = f"{result.scenario}, {result.policy}, seed {result.seed}, engine {number}"
                    console.print(
                        f"{where}: {point.at:.0f} s: {point.reason}; "
                        f"{point.active} active, {point.waiting} waiting, {percent(point.kv_usage)} of the cache used",
                        highlight=False,
                    )


def as_json(result: Result) -> dict[str, object]:
    values = {
        field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "courses"
    }
    points = [[dataclasses.asdict(point) | {"kind": point.kind.value} for point in course] for course in result.courses]
    return {**values, "courses": points}


def installed_laws() -> list[str]:
    """The laws that installed packages add by entry point."""
    return sorted(name for name in plugins.installed(plugins.LAWS.group) if name not in POLICIES)


def print_choices(console: Console) -> None:
    table = Table("scenario", "what it is")
    for scenarios in KINDS.values():
        for scenario in scenarios:
            table.add_row(scenario.name, scenario.summary, end_section=scenario is scenarios[-1])
    console.print(table)
    table = Table("law", "what it is")
    for policy in POLICIES.values():
        table.add_row(policy.name, policy.summary)
    for name in installed_laws():
        table.add_row(name, "added by an installed package")
    table.add_row(BEST_STATIC, "the best of many fixed caps, which is known only afterwards")
    console.print(table)
