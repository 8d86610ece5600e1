"""What was seen of an engine and its window at each scrape."""

from dataclasses import dataclass

from concur_proxy.control.law import DecisionKind


@dataclass(slots=True, kw_only=True)
class CoursePoint:
    """One scrape; counters are totals so far."""

    at: float
    window: float
    active: int
    waiting: int
    kv_usage: float
    hit_rate: float | None
    generated: int
    prefilled: int
    kind: DecisionKind = DecisionKind.HOLD
    reason: str = ""
