"""What an engine can do per second, from its counters: the highest rates that it has shown."""

from collections import deque

PREFILL_SPAN_S = 4.0
"""Time over which a prefill rate is measured. An engine counts a prompt at once, but a slow engine computes it for
seconds. A longer span would rarely be filled: where caches hit, there is little to compute.
"""
RELOAD_SPAN_S = 2.0
"""Time over which a rate of reloading is measured. Loads come in bursts, and an engine counts one at its start."""
LEAST_TOKENS = 256
"""A prefill rate is computed from at least this many tokens. Below, the constant time of a step dominates."""
PEAK_KEPT = 0.999
"""Part of the highest prefill rate that is kept from one interval to the next. It halves in 700 intervals."""


class PeakRate:
    """The highest rate at which an engine has done something, from its counters: a slowly decaying maximum."""

    def __init__(self, span_s: float) -> None:
        """`span_s`: the time over which a rate is measured, seconds."""
        self._span_s = span_s
        self._recent: deque[tuple[float, float]] = deque()
        self._tokens = self._seconds = 0.0
        self._peak = 0.0

    @property
    def peak(self) -> float | None:
        """Tokens per second; None until the first measurement."""
        return self._peak or None

    def observe(self, tokens: float, seconds: float) -> None:
        """The engine was done with `tokens` in an interval of `seconds`. The rate is that of the last intervals that
        together are at least as long as the span.
        """
        self._recent.append((tokens, seconds))
        self._tokens += tokens
        self._seconds += seconds
        while self._seconds - self._recent[0][1] >= self._span_s:
            gone = self._recent.popleft()
            self._tokens -= gone[0]
            self._seconds -= gone[1]
        self._peak *= PEAK_KEPT
        if self._seconds >= self._span_s:
            self._peak = max(self._peak, self._tokens / self._seconds)


class PrefillRate(PeakRate):
    """How many prompt tokens an engine can compute per second.

    This is the rate of the whole engine, but it can be measured only while the engine is busy with prompts for a whole
    span, or exports the prefill time of requests. `concur_proxy.admission.estimates.PrefillSpeed` measures the rate of
    single requests from their time to first token. It is known sooner, and also for engines without these counters.
    The gate uses the higher of the two.
    """

    def __init__(self) -> None:
        super().__init__(PREFILL_SPAN_S)

    def observe_requests(self, tokens: float, seconds: float) -> None:
        """Requests computed `tokens` prompt tokens, and their prefill times add up to `seconds`.

        This is a lower bound, because requests of one batch share the engine.
        """
        if tokens >= LEAST_TOKENS and seconds > 0:
            self._peak = max(self._peak, tokens / seconds)


class ReloadRate(PeakRate):
    """How many tokens an engine can load per second from a cache behind its own, such as the host's memory. It is a
    lower bound, because an engine rarely does nothing but load.
    """

    def __init__(self) -> None:
        super().__init__(RELOAD_SPAN_S)
