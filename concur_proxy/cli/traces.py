"""What `concur-proxy simulate --trace` reads and prints."""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from concur_proxy.cli.comparison import policy_name
from concur_proxy.cli.parser import token_count
from concur_proxy.cli.policies import serve_flags
from concur_proxy.control.phrasing import count, number_of, percent
from concur_proxy.lab.recorded.load import LEAST_TOKENS, Trace, TraceLoad, WorkingSets
from concur_proxy.lab.report.content import speeds_line
from concur_proxy.lab.report.phrases import span
from concur_proxy.lab.report.trace_verdict import trace_verdict
from concur_proxy.lab.simulation.policy import BEST_STATIC, CAPS, Policy, static
from concur_proxy.lab.simulation.suite import Row

MEASURE = "open_s"
"""Total time without common idle time: humans' pauses do not dilute what control changes."""

_tokens = token_count(LEAST_TOKENS)
_SWEPT = frozenset(static(cap).name for cap in CAPS)


def cache_size(text: str) -> int | WorkingSets:
    """Argument type: a number of tokens, also as 64k, or a multiple of a trace's working set, such as 0.5x."""
    if not text.endswith("x"):
        return _tokens(text)
    with suppress(ValueError):
        if 0 < (factor := float(text[:-1])) <= 1000:
            return WorkingSets(factor)
    raise argparse.ArgumentTypeError(f"must be a multiple of the working set such as 0.5x, not {text!r}")


def read_traces(
    paths: Sequence[Path], *, capacity: int | WorkingSets | None, pace: float, show: Callable[[str], None]
) -> list[TraceLoad]:
    """The loads of all traces. Raises `TraceProblem`."""
    loads = [load for path in paths for load in Trace(path).loads(capacity=capacity, pace=pace, on_step=show)]
    names = Counter(load.scenario.name for load in loads)
    return [load if names[load.scenario.name] == 1 else _with_path(load, number) for number, load in enumerate(loads)]


def _with_path(load: TraceLoad, number: int) -> TraceLoad:
    """The load with a name of its own, because another trace has the same one."""
    scenario = load.scenario
    return replace(load, scenario=replace(scenario, name=f"{number + 1}: {scenario.name} of {scenario.summary}"))


def print_traces(console: Console, loads: Sequence[TraceLoad], *, pace: float) -> None:
    """Print what is replayed, beginning with how well the engine's speeds are known."""
    for load in loads:
        cost, engines = load.scenario.shape.cost, load.scenario.engines
        multiple = load.capacity_tokens / max(1, load.working_set_tokens)
        fleet = "" if engines == 1 else f"{engines} engines of "
        times = "" if pace == 1 else f"; times between turns and between sessions x {pace:g}"
        speeds = (
            f"  {count(cost.prefill_tokens_s)} prefill tokens/s, {1000 * cost.step_s:.3g} ms a step and "
            f"{1000 * cost.decode_s:.2g} ms for each running request"
        )
        cache = (
            f"  cache: {fleet}{count(load.scenario.shape.capacity_tokens)} tokens, {multiple:.2g} times the working "
            f"set of {count(load.working_set_tokens)}"
        )
        console.print(f"{load.scenario.name}: engine's speeds {speeds_line(load.speeds)}", soft_wrap=True)
        console.print(speeds, soft_wrap=True)
        console.print(
            f"  {number_of(load.requests, 'request')} in {number_of(load.sessions, 'session')}{times}", soft_wrap=True
        )
        console.print(cache, soft_wrap=True)


def trace_table(rows: Sequence[Row]) -> Table:
    """The comparison, narrow enough for 80 columns."""
    table = Table(
        title="Sessions and turns: time from request to answer, waits included",
        caption="sessions: without their think times and tool calls; total: time in which a request is open",
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("", overflow="fold")
    headings = (
        "session\nmean",
        "session\np99",
        "turn\nmean",
        "turn\np99",
        "engine\ntime",
        "recom-\nputed",
        "total\ntime",
    )
    for heading in (*headings, "vs\nfirst"):
        table.add_column(heading, justify="right", no_wrap=True)
    first: dict[str, Row] = {}
    for row in rows:
        if row.scenario not in first:
            first[row.scenario] = row
            table.add_row(row.scenario, style="bold")
        table.add_row(
            f"  {policy_name(row)}",
            *(span(row.mean(name)) for name in ("served_mean_s", "served_p99_s", "turn_mean_s", "turn_p99_s")),
            span(row.mean("busy_s")),
            count(row.mean("recomputed_tokens")),
            span(row.mean(MEASURE)),
            f"{row.mean(MEASURE) / max(first[row.scenario].mean(MEASURE), 1e-9):.2f}",
        )
    return table


def print_verdicts(console: Console, rows: Sequence[Row], policies: Sequence[Policy]) -> None:
    """Print what control would have saved on each trace, if it was compared with no control. It is the control of the
    default law, or else of the last of these policies that is no fixed cap of `--windows`.
    """
    laws = {policy.name: policy for policy in policies if policy.name not in {"off", *_SWEPT}}
    if not laws:
        return
    law = laws.get("tokens", list(laws.values())[-1])
    flags = serve_flags(law)
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    for scenario in scenarios:
        found = {row.policy: row for row in rows if row.scenario == scenario}
        if "off" not in found:
            continue
        controlled = found[law.name]
        sentence = trace_verdict(found["off"], controlled, setting=f" with {flags}" if flags else "")
        best = found.get(BEST_STATIC)
        if best is not None and best.mean(MEASURE) < controlled.mean(MEASURE):
            part = 1 - best.mean(MEASURE) / controlled.mean(MEASURE)
            sentence += (
                f" The best fixed cap, which is known only afterwards, is {percent(part)} faster than {law.name}."
            )
        name = f"{scenario}: " if len(scenarios) > 1 else ""
        console.print(f"{name}{sentence}", style="bold", soft_wrap=True)
