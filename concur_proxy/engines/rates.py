"""What happened between two scrapes of one engine."""

from dataclasses import dataclass

from concur_proxy.engines.sample import EngineSample

MIN_QUERIED_TOKENS = 32
"""Fewer looked-up prompt tokens than two blocks say nothing of a hit rate: only whole blocks can hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRates:
    """Gauges of the newest sample, and counters' differences to the one before; unknown is None."""

    now: float
    interval_s: float | None = None
    kv_usage: float | None = None
    hit_rate: float | None = None
    """Hits over looked-up prompt tokens of this interval, 0 to 1."""
    preemptions: float | None = None
    evicted_tokens: float | None = None
    running: int | None = None
    waiting: int | None = None
    capacity_tokens: int | None = None
    restarted: bool = False
    """The engine has started anew since the last sample: its cache is empty and its counters began at 0."""


class SignalRates:
    """Turns one engine's samples, in order, into rates."""

    COUNTERS = ("prefix_queries", "prefix_hits", "preemptions", "evicted_tokens")

    def __init__(self) -> None:
        self._last: EngineSample | None = None
        self._capacity: int | None = None

    def advance(self, sample: EngineSample) -> IntervalRates:
        """The rates from the last sample to this one; None for each rate at the first, and after a restart."""
        last, self._last = self._last, sample
        restarted = last is not None and self._has_restarted(last, sample)
        if restarted:
            self._capacity = None
        self._capacity = sample.capacity_tokens or self._capacity
        before = None if restarted else last
        queries = _difference(before, sample, "prefix_queries")
        hits = _difference(before, sample, "prefix_hits")
        hit_rate = None
        if queries is not None and hits is not None and queries >= MIN_QUERIED_TOKENS:
            hit_rate = min(1.0, hits / queries)
        return IntervalRates(
            now=sample.at,
            interval_s=None if last is None else sample.at - last.at,
            kv_usage=sample.kv_usage,
            hit_rate=hit_rate,
            preemptions=_difference(before, sample, "preemptions"),
            evicted_tokens=_difference(before, sample, "evicted_tokens"),
            running=sample.running,
            waiting=sample.waiting,
            capacity_tokens=self._capacity,
            restarted=restarted,
        )

    def _has_restarted(self, last: EngineSample, sample: EngineSample) -> bool:
        if last.dialect != sample.dialect:
            return True
        if None not in (last.started_at, sample.started_at) and last.started_at != sample.started_at:
            return True
        return any((_difference(last, sample, name) or 0.0) < 0 for name in self.COUNTERS)


def _difference(before: EngineSample | None, after: EngineSample, name: str) -> float | None:
    old, new = getattr(before, name, None), getattr(after, name)
    return None if old is None or new is None else float(new - old)
