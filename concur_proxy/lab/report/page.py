"""A report as one HTML page that needs no other file."""

from collections.abc import Iterable, Iterator
from html import escape

from concur_proxy.control.phrasing import count
from concur_proxy.lab.pages.document import document, table
from concur_proxy.lab.report.bars import over_time, side_by_side
from concur_proxy.lab.report.comparison import Comparison
from concur_proxy.lab.report.content import (
    Line,
    Table,
    checks_table,
    effect_table,
    measured_lines,
    measured_tables,
    replay_lines,
)
from concur_proxy.lab.report.measured import Measured
from concur_proxy.lab.report.phrases import span
from concur_proxy.lab.report.report import Report
from concur_proxy.lab.report.verdict import Verdict


def page(report: Report) -> str:
    """The page's text."""
    return document("concur-proxy report", ["<h1>concur-proxy report</h1>", *_body(report)])


def _body(report: Report) -> Iterator[str]:
    yield _verdict(report.verdict)
    yield "<h2>Measured</h2>"
    yield _lines(measured_lines(report.measured))
    yield _charts(report.measured)
    for shown in measured_tables(report.measured):
        yield f"<details><summary>{escape(shown.title)}</summary>{_table(shown)}</details>"
    comparison = report.comparison
    if comparison is None:
        return
    yield "<h2>What control would do</h2>"
    yield _lines(replay_lines(comparison, has_dates=report.measured.has_dates))
    if comparison.checks:
        yield _table(checks_table(comparison))
    if comparison.is_believable:
        yield _effect(comparison)
        yield _table(effect_table(comparison))


def _verdict(verdict: Verdict) -> str:
    kind = verdict.finding.value.replace(" ", "-")
    return f'<p class="verdict {kind}"><strong>{escape(verdict.sentence)}</strong> {escape(verdict.advice)}</p>'


def _charts(measured: Measured) -> str:
    charts = (
        over_time(measured, "Recomputed tokens", lambda totals: totals.recomputed_tokens, count),
        over_time(measured, "Wait, 95 % within", lambda totals: totals.waits.quantile(0.95), span),
        over_time(measured, "Mean turn", lambda totals: totals.turns.mean, span),
    )
    return f'<div class="charts">{"".join(charts)}</div>'


def _effect(comparison: Comparison) -> str:
    one, other = comparison.without, comparison.controlled
    return side_by_side(
        [
            ("Engine time", one.busy_s, other.busy_s, span),
            ("Recomputed tokens", one.recomputed_tokens, other.recomputed_tokens, count),
            ("Mean turn, with its wait", one.mean_turn_s, other.mean_turn_s, span),
        ]
    )


def _lines(lines: Iterable[Line]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in lines)}</dl>"


def _table(shown: Table) -> str:
    return table(shown.title, [_joined(heading) for heading in shown.headings], shown.rows)


def _joined(heading: str) -> str:
    """The heading in one line: a terminal needs two."""
    return heading.replace("-\n", "").replace("\n", " ")
