"""A whole report: what was measured, what the replays show, and the verdict."""

from dataclasses import dataclass

from concur_proxy.lab.report.comparison import Comparison
from concur_proxy.lab.report.measured import Measured
from concur_proxy.lab.report.verdict import Verdict, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a report shows."""

    measured: Measured
    comparison: Comparison | None
    """None if nothing was replayed."""
    verdict: Verdict


def report_of(measured: Measured, comparison: Comparison | None, problem: str = "") -> Report:
    """Put a report together. `problem` says why there is no comparison."""
    return Report(measured=measured, comparison=comparison, verdict=judge(measured, comparison, problem))
