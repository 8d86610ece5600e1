"""CONCUR's cache-aware AIMD over active agents (arXiv 2601.22705).

With U the KV usage and H the prefix-hit rate of the interval:

    U < u_low                     W <- W + alpha     cache to spare
    U > u_high and H < h_thresh   W <- W * beta      the working set no longer fits
    otherwise                     W                  hold

W stays within [minimum, maximum]. Two rules are TCP's, not the paper's: a window that nobody fills does not grow (an
application-limited sender proves nothing about the path), and at most one cut is made per congestion episode when
`once_per_episode` is set.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Decision
from concur_proxy.control.options import OptionValue, read_options, require
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.control.window import SessionWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class AimdOptions:
    """Options of `aimd`. `u_low` and `u_high` are the paper's best; alpha, beta and h_thresh are ours, see README."""

    alpha: float = 2.0
    """Sessions added in an interval with cache to spare."""
    beta: float = 0.5
    """Factor of a cut, between 0 and 1."""
    u_low: float = 0.2
    """KV usage under which the window grows."""
    u_high: float = 0.5
    """KV usage over which it may be cut."""
    h_thresh: float = 0.2
    """Prefix-hit rate under which it is cut."""
    initial: float = 8.0
    """Window before the first signal."""
    minimum: float = 1.0
    maximum: float = 1024.0
    once_per_episode: bool = False
    """At most one cut between two intervals without congestion."""
    overload_pause_s: float = 5.0
    """At most one cut in this time for refusals by the engine, which come in bursts: one episode."""

    def __post_init__(self) -> None:
        rules = {
            "option alpha must be more than 0": self.alpha > 0,
            "option beta must be between 0 and 1": 0 < self.beta < 1,
            "options must keep 0 <= u_low <= u_high <= 1": 0 <= self.u_low <= self.u_high <= 1,
            "option h_thresh must be between 0 and 1": 0 <= self.h_thresh <= 1,
            "options must keep 1 <= minimum <= initial <= maximum": 1 <= self.minimum <= self.initial <= self.maximum,
            "option maximum must be finite": self.maximum < math.inf,  # infinity has no half
            "option overload_pause_s must be 0 or more": self.overload_pause_s >= 0,
        }
        require(rules)


class Aimd:
    """Additive increase, multiplicative decrease on KV usage and hit rate."""

    enforces = True

    def __init__(self, options: AimdOptions) -> None:
        self._options = options
        self._window = SessionWindow(options.initial, minimum=options.minimum, maximum=options.maximum)
        self._in_episode = False
        self._last_overload: float | None = None

    @property
    def window(self) -> float:
        """Sessions that may be active."""
        return self._window.sessions

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """Apply the rule above to one interval; what is unknown neither grows nor cuts."""
        o, usage, hits = self._options, signal.kv_usage, signal.hit_rate
        congested = usage is not None and hits is not None and usage > o.u_high and hits < o.h_thresh
        if usage is None:
            return self._window.hold("KV usage unknown")
        if congested:
            return self._cut(f"usage {usage:.2f} > {o.u_high:g} and hit rate {hits:.2f} < {o.h_thresh:g}")
        self._in_episode = False
        if usage >= o.u_low:
            return self._window.hold(
                f"usage {usage:.2f}, hit rate {'unknown' if hits is None else format(hits, '.2f')}"
            )
        if signal.gauges_are_late:
            return self._window.hold(f"usage {usage:.2f} does not include all requests in flight yet")
        if signal.active_sessions + 1 <= self._window.sessions:
            return self._window.hold(f"usage {usage:.2f} < {o.u_low:g}, but the window is not full")
        return self._window.move(self._window.sessions + o.alpha, f"usage {usage:.2f} < {o.u_low:g}")

    def on_overload(self, *, now: float) -> Decision:
        """The engine refused a request: cut, once in `overload_pause_s`."""
        if self._last_overload is not None and now - self._last_overload < self._options.overload_pause_s:
            return self._window.hold("engine refused, already answered by a cut")
        self._last_overload = now
        return self._window.move(self._window.sessions * self._options.beta, "engine refused a request")

    def _cut(self, reason: str) -> Decision:
        if self._in_episode and self._options.once_per_episode:
            return self._window.hold(f"{reason}: already cut in this episode")
        self._in_episode = True
        return self._window.move(self._window.sessions * self._options.beta, reason)

    def save(self) -> dict[str, float]:
        """The window."""
        return {"window": self._window.sessions}

    def resume(self, state: Mapping[str, float]) -> None:
        """Go on from there."""
        self._window.move(state.get("window", self._window.sessions), "resumed")


def build(options: Mapping[str, OptionValue]) -> Aimd:
    """The law with `options`, see `AimdOptions`."""
    return Aimd(read_options(AimdOptions, options))
