"""When a window in tokens may be larger than the engine's own cache: another cache keeps what is evicted there.

How far it may grow depends on two things that no engine tells: how fast it reloads contexts, and how large the other
cache is. The first is the highest rate that its counters have shown, or is found out by a trial; the second by a loss.
"""

import math
from dataclasses import dataclass, replace

from concur_proxy.control.round import Round
from concur_proxy.control.signal import CongestionSignal

RELOAD_FAST = 1.5
"""Contexts that do not fit are worth reloading from another cache if the engine does that so many times as fast as it
computes prompts.
"""
RELOAD_GROWTH = 1.3
"""f is multiplied by this when it is raised because reloading is fast: the other cache may be several times larger."""
TRIAL_GROWTH = 1.2
"""f is multiplied by this in a trial."""
MOSTLY_IDLE = 0.25
"""A trial begins if requests use a smaller share of the cache than this: a larger batch has much room."""
HALF_IDLE = 0.5
"""It also begins below this share if it has little to lose: see `TRIAL_SPEED` and `TRIAL_RELOADED`."""
TRIAL_SPEED = 4.0
"""It has little to lose if an engine that reloads so many times as fast as it computes could reload everything that it
serves in a smaller share of the time than the share of the cache that no request uses.
"""
TRIAL_RELOADED = 0.05
"""It has little to lose only if a larger share of what is served than this is reloaded already."""
WORSE = 0.85
"""A trial has failed if the engine serves fewer prompt tokens per second than this part of what it served before."""
TRIAL_LEAST_S = 2.0
"""Seconds of a trial before it may fail, and of a round after which one may begin. Less shows too little."""
TRIAL_PAUSE = 200
"""Rounds without a trial after one that failed."""
NEWEST = 0.3
"""Weight of the last round in what is served on average. One round may be typical of nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A larger window whose effect is not known yet."""

    factor: float
    """f before it."""
    served_tokens_s: float
    """Prompt tokens per second before it, computed or found in a cache: in the round before it, or on average if that
    is more.
    """
    least_s: float
    """Seconds of the present round before it may fail."""


class SecondCache:
    """Decides about f beyond the engine's own cache."""

    def __init__(self) -> None:
        self._trial: _Trial | None = None
        self._served_tokens_s = 0.0
        self._pause = 0

    def fails(self, this: Round) -> float | None:
        """Whether a trial runs and has failed: f before it. Asked in each interval, before the round is judged."""
        trial = self._trial
        if trial is None or this.seconds < trial.least_s or this.served_tokens_s >= WORSE * trial.served_tokens_s:
            return None
        self.end()
        self._pause = TRIAL_PAUSE
        return trial.factor

    def end(self) -> None:
        """No trial runs from now on. What is served next is not the effect of its window alone."""
        self._trial = None

    def raised(self, this: Round, signal: CongestionSignal, factor: float) -> float | None:
        """At the end of a round in which little was lost and sessions waited: f beyond the engine's own cache; None if
        the window should not be larger than that.
        """
        trial, self._trial = self._trial, None
        self._served_tokens_s += (NEWEST if self._served_tokens_s else 1.0) * (
            this.served_tokens_s - self._served_tokens_s
        )
        if not this.reloaded:
            return None
        if self._pause:
            self._pause -= 1
            return None
        is_fast = (signal.reload_tokens_s or 0.0) > RELOAD_FAST * (signal.prefill_tokens_s or math.inf)
        least_s = max(TRIAL_LEAST_S, this.seconds / 4)
        if trial is not None:
            self._trial = replace(trial, least_s=least_s)
        elif not is_fast and _is_promising(this, signal.prefill_tokens_s or 0.0):
            self._trial = _Trial(
                factor=factor, served_tokens_s=max(this.served_tokens_s, self._served_tokens_s), least_s=least_s
            )
        if is_fast:
            return factor * RELOAD_GROWTH
        return None if self._trial is None else factor * TRIAL_GROWTH


def _is_promising(this: Round, prefill_tokens_s: float) -> bool:
    """Whether a round shows that a trial could win something."""
    if this.seconds < TRIAL_LEAST_S:
        return False
    if this.kv_usage < MOSTLY_IDLE:
        return True
    reloads = this.reloaded > TRIAL_RELOADED * this.served_tokens_s * this.seconds
    unused = 1 - this.kv_usage
    return this.kv_usage < HALF_IDLE and reloads and this.served_tokens_s < TRIAL_SPEED * prefill_tokens_s * unused
