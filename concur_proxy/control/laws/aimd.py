"""CONCUR's cache-aware AIMD: additive increase, multiplicative decrease of the number of active sessions.

The rule is from the CONCUR paper (arXiv 2601.22705). W is the window in sessions, U the share of the KV cache in use
(0 to 1) and H the prefix-hit rate of the interval (0 to 1):

    U < u_low                     W <- W + alpha     the cache has room to spare
    U > u_high and H < h_thresh   W <- W * beta      the active sessions no longer fit
    otherwise                     W                  unchanged

W stays within [minimum, maximum]. Two rules come from TCP and are not in the paper. A window that the sessions do not
fill does not grow: a sender that is limited by the application proves nothing about the network. With
`once_per_episode`, the window is lowered at most once until congestion has ended.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Decision
from concur_proxy.control.options import OptionValue, read_options, require
from concur_proxy.control.phrasing import percent
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.control.window import SessionWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class AimdOptions:
    """Options of `aimd`. `u_low` and `u_high` are the best values of the paper; the other defaults are our own."""

    alpha: float = 2.0
    """Sessions added per interval while the cache has room to spare."""
    beta: float = 0.5
    """The window is multiplied by this when it is lowered, between 0 and 1."""
    u_low: float = 0.2
    """The window grows while KV usage is below this, 0 to 1."""
    u_high: float = 0.5
    """The window is lowered only while KV usage is above this, 0 to 1."""
    h_thresh: float = 0.2
    """The window is lowered only while the prefix-hit rate is below this, 0 to 1."""
    initial: float = 8.0
    """Window before the first signal, in sessions."""
    minimum: float = 1.0
    """The window never falls below this, in sessions."""
    maximum: float = 1024.0
    """The window never rises above this, in sessions."""
    once_per_episode: bool = False
    """Lower the window at most once between two intervals without congestion."""
    overload_pause_s: float = 5.0
    """Seconds in which refusals by the engine lower the window at most once, because refusals come in bursts."""

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
    """Raises the window by a constant, and lowers it by a factor."""

    enforces = True

    def __init__(self, options: AimdOptions) -> None:
        self._options = options
        self._window = SessionWindow(options.initial, minimum=options.minimum, maximum=options.maximum)
        self._in_episode = False
        self._last_overload: float | None = None

    @property
    def window(self) -> float:
        return self._window.sessions

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """Apply the rule above to one interval. If a value is unknown, the window stays unchanged."""
        o, usage, hits = self._options, signal.kv_usage, signal.hit_rate
        if usage is None:
            return self._window.hold("KV cache usage is unknown")
        if hits is not None and usage > o.u_high and hits < o.h_thresh:
            return self._cut(
                f"KV cache usage of {percent(usage)} is above {percent(o.u_high)}, "
                f"and the prefix-hit rate of {percent(hits)} is below {percent(o.h_thresh)}"
            )
        self._in_episode = False
        if usage >= o.u_low:
            found = "is unknown" if hits is None else f"is {percent(hits)}"
            return self._window.hold(f"KV cache usage is {percent(usage)}, and the prefix-hit rate {found}")
        if signal.gauges_are_late:
            return self._window.hold(f"KV cache usage of {percent(usage)} does not include all requests in flight yet")
        reason = f"KV cache usage of {100 * usage:.1f} % is below {percent(o.u_low)}"
        if signal.active_sessions + 1 <= self._window.sessions:
            return self._window.hold(f"{reason}, but the sessions do not fill the window")
        return self._window.move(self._window.sessions + o.alpha, reason)

    def on_overload(self, *, now: float) -> Decision:
        """Lower the window because the engine refused a request, once per `overload_pause_s`."""
        if self._last_overload is not None and now - self._last_overload < self._options.overload_pause_s:
            return self._window.hold("the engine refused a request just after the window was lowered for another one")
        self._last_overload = now
        return self._window.move(self._window.sessions * self._options.beta, "the engine refused a request")

    def _cut(self, reason: str) -> Decision:
        if self._in_episode and self._options.once_per_episode:
            return self._window.hold(f"{reason}; the window was already lowered for this")
        self._in_episode = True
        return self._window.move(self._window.sessions * self._options.beta, reason)

    def save(self) -> dict[str, float]:
        return {"window": self._window.sessions}

    def resume(self, state: Mapping[str, float]) -> None:
        self._window.move(state.get("window", self._window.sessions), "resumed")


def build(options: Mapping[str, OptionValue]) -> Aimd:
    """Make the law with the options of `AimdOptions`."""
    return Aimd(read_options(AimdOptions, options))
