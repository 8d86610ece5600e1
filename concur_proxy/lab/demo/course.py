"""What happened to one fleet: its figures, and the course of engine and gateway over time.

Live runs and runs in virtual time have the same form, so that they can be described and drawn alike. All times are in
the engine's seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.gateway import CoursePoint
from concur_proxy.lab.simulation.result import Result, percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One reading. None: not known, or without a gateway."""

    at_s: float
    running: float | None
    """Requests in the engine's batch."""
    waiting: float | None
    """Requests that wait, in the engine's queue or at the gateway."""
    cache_used: float | None
    """Part of the cache that is in use, 0 to 1."""
    hit_rate: float | None
    """Share of the prompt tokens since the last reading that were in the cache, 0 to 1."""
    window: float | None = None
    """Part of the cache that the admitted sessions may fill, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One fleet, from the first request to the last answer."""

    total_s: float
    hit_rate: float | None
    """Share of all prompt tokens that were in the cache."""
    recomputed_tokens: int | None
    """Prompt tokens that the engine computed although it had computed them before for the same agent."""
    turn_p50_s: float
    """A turn is from the request to its last token, with all waiting."""
    turn_p99_s: float
    longest_wait_s: float | None
    """The longest wait at the gateway; None without one."""
    points: Sequence[Point] = field(default=(), repr=False)


class Turns:
    """Collects the turns of a run in virtual time. Give `add` to an experiment as its `watch`."""

    def __init__(self) -> None:
        self._latencies_s: list[float] = []
        self._recomputed = 0

    def add(self, request: Request, ended_at: float) -> None:
        """A request was answered."""
        self._latencies_s.append(ended_at - request.sent_at)
        self._recomputed += max(0, request.history_tokens - request.cached_tokens)

    def course(self, result: Result, *, capacity_tokens: int, has_gateway: bool) -> Course:
        """The whole run."""
        return Course(
            total_s=result.makespan_s,
            hit_rate=result.hit_rate,
            recomputed_tokens=self._recomputed,
            turn_p50_s=percentile(self._latencies_s, 0.5),
            turn_p99_s=percentile(self._latencies_s, 0.99),
            longest_wait_s=result.longest_hold_s if has_gateway else None,
            points=[_point(each, capacity_tokens, has_gateway=has_gateway) for each in result.courses[0]],
        )


def _point(point: CoursePoint, capacity_tokens: int, *, has_gateway: bool) -> Point:
    window = point.window_tokens if has_gateway else None
    return Point(
        at_s=point.at,
        running=point.running,
        waiting=point.engine_waiting + (point.waiting if has_gateway else 0),
        cache_used=point.kv_usage,
        hit_rate=point.hit_rate,
        window=None if window is None else min(1.0, window / capacity_tokens),
    )
