"""What an engine reports: one reading of its metrics, and the rates between two readings."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

MIN_QUERIED_TOKENS = 32
"""A hit rate is computed from at least this many looked-up tokens, two blocks: only whole blocks can hit."""

PREFILL_SPAN_S = 4.0
"""Time over which a prefill rate is measured. An engine counts a prompt at once, but a slow engine computes it for
seconds. A longer span would rarely be filled: where caches hit, there is little to compute.
"""
LEAST_TOKENS = 256
"""A prefill rate is computed from at least this many tokens. Below, the constant time of a step dominates."""
PEAK_KEPT = 0.999
"""Part of the highest prefill rate that is kept from one interval to the next. It halves in 700 intervals."""

MOST_REQUESTS = 1_000_000
MOST_TOKENS = 10**12
MOST_COUNTED = 10.0**18
MOST_TOKENS_S = 10_000_000.0
"""Gauges, counters and rates beyond these are errors of the engine, or of a proxy that rewrites its metrics."""

SIGNALS: Mapping[str, str] = {
    "kv_usage": "KV-cache usage",
    "running": "running requests",
    "waiting": "waiting requests",
    "capacity_tokens": "the cache's capacity",
    "prefix_queries": "prefix-cache look-ups",
    "prefix_hits": "prefix-cache hits",
    "computed_tokens": "computed prompt tokens",
    "computing_s": "prefill time",
    "preemptions": "preemptions",
    "evicted_tokens": "evictions",
    "started_at": "its start time",
}
"""The signals of a sample, with their names in texts."""

REQUIRED_SIGNALS = ("kv_usage", "running", "waiting")
"""What every engine kind reports. The gateway can control an engine with these alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSample:
    """One reading of an engine's metrics, with all data-parallel ranks behind the port taken together.

    A signal that the engine does not export is None, never 0. Counters are lifetime totals; `SignalRates` makes rates
    from two samples.
    """

    at: float
    """When the answer arrived, in seconds of the caller's monotonic clock."""
    kind: str
    """The name of the engine kind that read it."""
    kv_usage: float | None = None
    """Share of KV blocks that requests in flight hold, 0 to 1. Blocks cached for idle sessions count as free."""
    running: int | None = None
    """Requests in the running batch, summed over ranks."""
    waiting: int | None = None
    """Requests that wait inside the engine, summed over ranks."""
    capacity_tokens: int | None = None
    """Size of the KV cache in tokens, summed over ranks."""
    capacity_is_derived: bool = False
    """Whether that size is a number of blocks times a block size. It is far too small for some hybrid models, whose
    blocks hold more than the block size says. See `concur_proxy.engines.capacity`.
    """
    prefix_queries: float | None = None
    """Counter: prompt tokens looked up in the prefix cache."""
    prefix_hits: float | None = None
    """Counter: prompt tokens found in the prefix cache or in a cache behind it, such as the host's memory. A counter
    that is still 0 is not believed: some engines never count hits.
    """
    computed_tokens: float | None = None
    """Counter: prompt tokens that requests computed, without those found in the cache."""
    computing_s: float | None = None
    """Counter: seconds from each request's first step to its first token."""
    preemptions: float | None = None
    """Counter: requests that were removed from the batch and recomputed later."""
    evicted_tokens: float | None = None
    """Counter: cached tokens evicted to make room."""
    started_at: float | None = None
    """Start of the engine process, Unix time. A change means a restart."""
    ranks: int = 1
    """Data-parallel ranks behind the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRates:
    """The gauges of the newest sample, and the counters' differences to the sample before. Unknown values are None."""

    now: float
    interval_s: float | None = None
    kv_usage: float | None = None
    hit_rate: float | None = None
    """Hits divided by looked-up prompt tokens in this interval, 0 to 1. None until the engine has counted a hit."""
    preemptions: float | None = None
    evicted_tokens: float | None = None
    running: int | None = None
    waiting: int | None = None
    capacity_tokens: int | None = None
    hit_tokens: float | None = None
    """Prompt tokens found in the cache in this interval. None until the engine has counted a hit."""
    prefilled_tokens: float | None = None
    """Prompt tokens that were looked up in this interval and not found. The engine computes them."""
    prefill_tokens_s: float | None = None
    """The engine's prefill rate, from its counters: see `PrefillRate`."""
    restarted: bool = False
    """The engine has restarted since the last sample: its cache is empty and its counters began at 0."""
    dropped: int = 0
    """Values of the newest sample that cannot be true. They count as unknown."""


class PrefillRate:
    """How many prompt tokens an engine can compute per second, from its counters: a slowly decaying maximum.

    This is the rate of the whole engine, but it can be measured only while the engine is busy with prompts for a whole
    span, or exports the prefill time of requests. `concur_proxy.admission.estimates.PrefillSpeed` measures the rate of
    single requests from their time to first token. It is known sooner, and also for engines without these counters.
    The gate uses the higher of the two.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque()
        self._tokens = self._seconds = 0.0
        self._peak = 0.0

    @property
    def peak(self) -> float | None:
        """Tokens per second; None until the first measurement."""
        return self._peak or None

    def observe_requests(self, tokens: float, seconds: float) -> None:
        """Requests computed `tokens` prompt tokens, and their prefill times add up to `seconds`.

        This is a lower bound, because requests of one batch share the engine.
        """
        if tokens >= LEAST_TOKENS and seconds > 0:
            self._peak = max(self._peak, tokens / seconds)

    def observe(self, tokens: float, seconds: float) -> None:
        """The engine computed `tokens` prompt tokens in an interval of `seconds`."""
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
    """A counter that falls shows a restart, unless the engine exports its start time and others have grown."""

    def __init__(self) -> None:
        self._last: EngineSample | None = None
        self._capacity: int | None = None
        self._prefill = PrefillRate()

    def advance(self, sample: EngineSample) -> IntervalRates:
        """The rates from the last sample to this one. Each is None at the first sample and after a restart."""
        last, (sample, dropped) = self._last, without_errors(sample)
        restarted = last is not None and self._has_restarted(last, sample)
        if last is not None and not restarted:
            sample, more = self._without_jumps(last, sample)
            dropped += more
        self._last = sample
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
        if not sample.prefix_hits:
            hits = None  # nothing was ever found: nobody used the cache again, or this engine does not count hits
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
            dropped=dropped,
        )

    def _has_restarted(self, last: EngineSample, sample: EngineSample) -> bool:
        if last.kind != sample.kind:
            return True
        changes = [_difference(last, sample, name) or 0.0 for name in self.COUNTERS]
        if last.started_at is None or sample.started_at is None:
            return min(changes) < 0
        return last.started_at != sample.started_at or min(changes) < 0 >= max(changes)

    def _without_jumps(self, last: EngineSample, sample: EngineSample) -> tuple[EngineSample, int]:
        """The sample without counters that cannot have come from the last one, and how many these are."""
        most = MOST_TOKENS_S * max(1.0, sample.at - last.at) * sample.ranks
        jumped = [name for name in _COUNTED if not 0 <= (_difference(last, sample, name) or 0.0) <= most]
        return _without(sample, jumped), len(jumped)


_COUNTED = (*SignalRates.COUNTERS, "computed_tokens", "computing_s")
_RANGES: Mapping[str, tuple[float, float]] = {
    "kv_usage": (0.0, 1.5),
    "running": (0, MOST_REQUESTS),
    "waiting": (0, MOST_REQUESTS),
    "capacity_tokens": (1, MOST_TOKENS),
    **dict.fromkeys(_COUNTED, (0.0, MOST_COUNTED)),
}


def without_errors(sample: EngineSample) -> tuple[EngineSample, int]:
    """The sample without values that cannot be true, and how many these are."""
    wrong = [
        name
        for name, (least, most) in _RANGES.items()
        if (value := getattr(sample, name)) is not None and not least <= value <= most
    ]
    return _without(sample, wrong), len(wrong)


def _without(sample: EngineSample, names: list[str]) -> EngineSample:
    unknown: dict[str, Any] = dict.fromkeys(names)
    return replace(sample, **unknown) if names else sample


def _difference(before: EngineSample | None, after: EngineSample, name: str) -> float | None:
    old, new = getattr(before, name, None), getattr(after, name)
    return None if old is None or new is None else float(new - old)
