"""What happened between two scrapes of one engine."""

from collections import deque
from dataclasses import dataclass

from concur_proxy.engines.sample import EngineSample

MIN_QUERIED_TOKENS = 32
"""Fewer looked-up prompt tokens than two blocks say nothing of a hit rate: only whole blocks can hit."""

PREFILL_SPAN_S = 4.0
"""Time over which a prefill rate is measured: engines count a prompt at once, and a slow one computes it for seconds;
but where caches are kept, there is never much to compute for longer.
"""
LEAST_TOKENS = 256
"""Fewer computed tokens say nothing of a prefill rate: the steps' constant time outweighs them."""
PEAK_KEPT = 0.999
"""Part of the highest prefill rate that is kept from one interval to the next: half of it after 700."""


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
    hit_tokens: float | None = None
    """Prompt tokens found in the cache in this interval."""
    prefilled_tokens: float | None = None
    """Prompt tokens looked up in this interval and not found, which the engine then computes."""
    prefill_tokens_s: float | None = None
    """The most of them in a second so far, slowly forgotten: about what the engine can compute."""
    restarted: bool = False
    """The engine has started anew since the last sample: its cache is empty and its counters began at 0."""


class PrefillRate:
    """About how many prompt tokens an engine can compute in a second: the most that it did of late."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque()
        self._tokens = self._seconds = 0.0
        self._peak = 0.0

    @property
    def peak(self) -> float | None:
        """Tokens a second; None until it has been busy for a whole span, or has told the time of single requests."""
        return self._peak or None

    def observe_requests(self, tokens: float, seconds: float) -> None:
        """Requests computed so many prompt tokens and took so long, all told: together they would have been faster."""
        if tokens >= LEAST_TOKENS and seconds > 0:
            self._peak = max(self._peak, tokens / seconds)

    def observe(self, tokens: float, seconds: float) -> None:
        """What was prefilled in an interval."""
        self._recent.append((tokens, seconds))
        self._tokens += tokens
        self._seconds += seconds
        while self._seconds - self._recent[0][1] >= PREFILL_SPAN_S:
            gone = self._recent.popleft()
            self._tokens -= gone[0]
            self._seconds -= gone[1]
        self._peak *= PEAK_KEPT
        if self._seconds >= PREFILL_SPAN_S:
            self._peak = max(self._peak, self._tokens / self._seconds)


class SignalRates:
    """Turns one engine's samples, in order, into rates."""

    COUNTERS = ("prefix_queries", "prefix_hits", "preemptions", "evicted_tokens")

    def __init__(self) -> None:
        self._last: EngineSample | None = None
        self._capacity: int | None = None
        self._prefill = PrefillRate()

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
        prefilled = None if queries is None or hits is None else max(0.0, queries - hits)
        interval_s = None if last is None else sample.at - last.at
        if prefilled is not None and interval_s:
            self._prefill.observe(prefilled, interval_s)
        computed = _difference(before, sample, "computed_tokens")
        computing_s = _difference(before, sample, "computing_s")
        if computed is not None and computing_s is not None:
            self._prefill.observe_requests(computed, computing_s)
        hit_rate = None
        if queries is not None and hits is not None and queries >= MIN_QUERIED_TOKENS:
            hit_rate = min(1.0, hits / queries)
        return IntervalRates(
            now=sample.at,
            interval_s=interval_s,
            kv_usage=sample.kv_usage,
            hit_rate=hit_rate,
            preemptions=_difference(before, sample, "preemptions"),
            evicted_tokens=_difference(before, sample, "evicted_tokens"),
            running=sample.running,
            waiting=sample.waiting,
            capacity_tokens=self._capacity,
            hit_tokens=hits,
            prefilled_tokens=prefilled,
            prefill_tokens_s=self._prefill.peak,
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
