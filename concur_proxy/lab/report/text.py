"""A report as text of at most 80 columns."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from concur_proxy.lab.report.content import (
    Line,
    Table,
    checks_table,
    effect_table,
    measured_lines,
    measured_tables,
    replay_lines,
)
from concur_proxy.lab.report.report import Report

WIDTH = 80


def print_report(report: Report, console: Console) -> None:
    """Print the report, at most WIDTH columns wide."""
    console.print(_whole(report), width=min(WIDTH, console.width))


def _whole(report: Report) -> RenderableType:
    parts: list[RenderableType] = [Text("Measured", style="bold"), _lines(measured_lines(report.measured)), Text()]
    parts += [_table(table) for table in measured_tables(report.measured)]
    comparison = report.comparison
    if comparison is not None:
        lines = replay_lines(comparison, has_dates=report.measured.has_dates)
        parts += [Text("What control would do", style="bold"), _lines(lines), Text()]
        parts += [_table(checks_table(comparison))] if comparison.checks else []
        if comparison.is_believable:
            parts.append(_table(effect_table(comparison)))
    verdict = report.verdict
    return Group(*parts, Text(f"{verdict.sentence} {verdict.advice}", style="bold"))


def _lines(lines: Iterable[Line]) -> RichTable:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in lines:
        grid.add_row(Text(name), Text(text))
    return grid


def _table(table: Table) -> RichTable:
    shown = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column(Text(table.title, style="bold"), overflow="fold")  # a long name takes a second line
    for heading in table.headings:
        shown.add_column(Text(heading), justify="right", no_wrap=True)
    for name, *cells in table.rows:
        shown.add_row(Text(name), *map(Text, cells))
    return shown
