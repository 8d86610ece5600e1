"""What a law measures in a round: see `concur_proxy.control.laws.tokens`."""

from copy import copy

from concur_proxy.control.signal import CongestionSignal


class Round:
    """What was prefilled, promised and lost since the last round ended."""

    def __init__(self) -> None:
        self.is_idle_now = False
        self._last: float | None = None
        self.restart()

    def end(self) -> "Round":
        """Begin the next round; returns this one."""
        ended = copy(self)
        self.restart()
        return ended

    def restart(self) -> None:
        self.prefilled = 0.0
        self.promised = 0
        self.covered = 0.0
        """What is promised, with what several sessions share counted once when all of them have come back."""
        self._told = self._lost = 0
        self.reloaded = 0.0
        self._hits: float | None = None
        self.seconds = self._idle_s = 0.0
        self._used_s = self._gauged_s = 0.0

    def count(self, signal: CongestionSignal) -> None:
        passed = 0.0 if self._last is None else signal.now - self._last
        self._last = signal.now
        self.seconds += passed
        # Gauges can be late, so the gateway's own count decides: what it has in flight is being computed.
        self.is_idle_now = signal.running == 0 and signal.waiting == 0 and signal.in_flight == 0
        self._idle_s += passed if self.is_idle_now else 0.0
        self.prefilled += signal.prefilled_tokens or 0.0
        self._told += signal.told_tokens
        self._lost += signal.lost_tokens
        self.promised += signal.promised_tokens
        is_shared = 0 < signal.footprint_tokens < signal.separate_tokens
        union = signal.footprint_tokens / signal.separate_tokens if is_shared else 1.0
        self.covered += union * signal.promised_tokens
        self.reloaded += signal.reloaded_tokens or 0.0
        if signal.kv_usage is not None and not signal.gauges_are_late:
            self._used_s += passed * signal.kv_usage
            self._gauged_s += passed
        if signal.hit_tokens is not None:
            self._hits = (self._hits or 0.0) + signal.hit_tokens

    @property
    def kv_usage(self) -> float:
        """Mean share of the cache that requests used; 1 if it is unknown."""
        return self._used_s / self._gauged_s if self._gauged_s else 1.0

    @property
    def served_tokens_s(self) -> float:
        """Prompt tokens per second that were computed or found in a cache."""
        return (self.prefilled + (self._hits or 0.0)) / self.seconds if self.seconds else 0.0

    @property
    def share_lost(self) -> float | None:
        """Share of the promised context that was recomputed; None if unknown."""
        if self._told > 0:
            return self._lost / self._told
        if self.promised > 0 and self._hits is not None:
            return max(0.0, 1 - self._hits / self.promised)
        return None

    def time_lost(self, prefill_tokens_s: float | None) -> float | None:
        """q: share of time spent on recomputation, minus the share in which the engine was idle; None if unknown."""
        share = self.share_lost
        if share is None or not prefill_tokens_s or self.seconds <= 0:
            return None
        # At most what was computed can be lost. Parallel requests of a session are each promised the same context.
        lost_s = min(share * self.promised, self.prefilled) / prefill_tokens_s
        return max(0.0, min(1.0, lost_s / self.seconds) - self._idle_s / self.seconds)

    def time_prefilling(self, prefill_tokens_s: float | None) -> float:
        """p: share of the time spent on prompts; 0 if the prefill rate is unknown."""
        if not prefill_tokens_s or self.seconds <= 0:
            return 0.0
        return min(1.0, self.prefilled / prefill_tokens_s / self.seconds)

    def time_to_compute(self, tokens: float, prefill_tokens_s: float | None) -> float:
        """Share of the time in which the engine was busy that computing so many tokens would have taken; 1 at most."""
        busy_s = self.seconds - self._idle_s
        if not prefill_tokens_s or busy_s <= 0:
            return 1.0
        return min(1.0, tokens / prefill_tokens_s / busy_s)
