"""A congestion window in tokens of KV cache, as TCP's is in bytes: the default.

The window is a part f of the cache's capacity C, W = f C, and a session is charged its footprint in it (`Budget`). The
loss signal, this network's retransmission, is *re-prefill*: context that a session should have found in the cache,
because it kept its place, and that was computed again all the same,

    r = lost / promised      of answers that told their cached tokens (`prompt_tokens_details`), else
    r = 1 - hits / promised  by the engine's hit counter, which counts all sessions' hits and so sees less

What is evicted now is missed when its session comes back, so f moves at most once a turnover, which is when W tokens
have been prefilled since it last moved, by the loss of all that time:

    r > loss_high                      f <- max(f (1 - r / 2), minimum)
    r < loss_low and sessions wait     f <- min(f + step, maximum)
    otherwise                          f

Where the engine does not tell its capacity, C is sought first, from `probe_tokens` on: it is what the active sessions
fill, times 1.1 an interval as long as sessions wait and nothing is lost, until the first loss.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Budget, Decision, DecisionKind
from concur_proxy.control.options import OptionValue, read_options, require
from concur_proxy.control.signal import CongestionSignal

PROBE_GROWTH = 1.1
"""Of the sought capacity in an interval: doubled after 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensOptions:
    """Options of `tokens`; none needs to be set."""

    factor: float = 0.9
    """Part of the capacity with which it begins: beyond all of it is a cliff, and some blocks are charged to nobody."""
    minimum: float = 0.3
    maximum: float = 1.05
    """More than all of it: sessions are charged a turn's growth in reserve, of which half is not used on average."""
    step: float = 0.02
    loss_low: float = 0.02
    loss_high: float = 0.08
    reserve_turns: float = 1.0
    """Growth charged beside each footprint before a further session is admitted, in turns."""
    probe_tokens: float = 32_768.0
    """Capacity with which the search begins where the engine does not tell it."""
    overload_cut: float = 0.8
    """Factor of a cut when the engine refuses a request (HTTP 429 or 503)."""
    overload_pause_s: float = 5.0
    """At most one such cut in this time: refusals come in bursts."""

    def __post_init__(self) -> None:
        rules = {
            "options must keep 0 < minimum <= factor <= maximum": 0 < self.minimum <= self.factor <= self.maximum,
            "option maximum must be finite": self.maximum < math.inf,
            "options must keep 0 <= loss_low <= loss_high <= 1": 0 <= self.loss_low <= self.loss_high <= 1,
            "option step must be 0 or more": self.step >= 0,
            "option reserve_turns must be 0 or more": self.reserve_turns >= 0,
            "option probe_tokens must be 1 or more": 1 <= self.probe_tokens < math.inf,
            "option overload_cut must be between 0 and 1": 0 < self.overload_cut <= 1,
            "option overload_pause_s must be 0 or more": self.overload_pause_s >= 0,
        }
        require(rules)


class Tokens:
    """Keeps what the active sessions fill within a learnt part of the cache."""

    enforces = True
    window = math.inf
    """Sessions are not counted, but weighed."""

    def __init__(self, options: TokensOptions) -> None:
        self._options = options
        self._factor = options.factor
        self._sought = options.probe_tokens
        self._has_lost = False
        self._capacity: float | None = None
        self._turnover = _Turnover()
        self._last_overload: float | None = None

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """One control interval has passed."""
        self._turnover.count(signal)
        if not signal.capacity_tokens:
            return self._probe(signal)
        self._capacity = float(signal.capacity_tokens)
        return self._judge(signal)

    def on_overload(self, *, now: float) -> Decision:
        """The engine refused a request: cut, once in `overload_pause_s`."""
        if self._last_overload is not None and now - self._last_overload < self._options.overload_pause_s:
            return self._hold("engine refused, already answered by a cut")
        self._last_overload = now
        return self._move(self._factor * self._options.overload_cut, "engine refused a request")

    def _judge(self, signal: CongestionSignal) -> Decision:
        o, turnover = self._options, self._turnover
        loss = turnover.loss
        if turnover.prefilled < self._window:
            return self._hold(f"{turnover.prefilled / self._window:.0%} of a turnover, loss {_percent(loss)}")
        turnover.restart()
        if loss is not None and loss > o.loss_high:
            return self._move(self._factor * (1 - loss / 2), f"loss {_percent(loss)} > {o.loss_high:.0%}")
        if loss is not None and loss < o.loss_low and signal.queued_sessions:
            return self._move(self._factor + o.step, f"loss {_percent(loss)} < {o.loss_low:.0%} and sessions wait")
        return self._hold(f"loss {_percent(loss)}")

    def _probe(self, signal: CongestionSignal) -> Decision:
        self._capacity = self._sought
        loss = self._turnover.loss
        if self._has_lost:
            return self._judge(signal)
        if loss is not None and loss > self._options.loss_high:
            self._has_lost = True
            self._turnover.restart()
            return self._move(self._factor * (1 - loss / 2), f"capacity sought: loss {_percent(loss)}")
        if not signal.queued_sessions:
            return self._hold("capacity sought: nobody waits")
        self._capacity = self._sought = max(self._sought, signal.footprint_tokens) * PROBE_GROWTH
        return self._decide(DecisionKind.INCREASE, "capacity sought: no loss and sessions wait")

    @property
    def _window(self) -> float:
        return self._factor * (self._sought if self._capacity is None else self._capacity)

    def _move(self, factor: float, reason: str) -> Decision:
        before = self._factor
        self._factor = min(max(factor, self._options.minimum), self._options.maximum)
        if self._factor == before:
            return self._hold(f"{reason}: at its bound")
        return self._decide(DecisionKind.INCREASE if self._factor > before else DecisionKind.DECREASE, reason)

    def _hold(self, reason: str) -> Decision:
        return self._decide(DecisionKind.HOLD, reason)

    def _decide(self, kind: DecisionKind, reason: str) -> Decision:
        reason = f"{reason}; f {self._factor:.2f}"
        if self._capacity is None:
            return Decision(kind=DecisionKind.HOLD, window=self.window, reason=f"{reason}, capacity not known yet")
        budget = Budget(tokens=self._window, reserve_turns=self._options.reserve_turns)
        return Decision(kind=kind, window=self.window, budget=budget, reason=reason)


class _Turnover:
    """What has been prefilled, promised and lost since the window last moved."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.prefilled = 0.0
        self._told = self._lost = self._promised = 0
        self._hits: float | None = None

    def count(self, signal: CongestionSignal) -> None:
        self.prefilled += signal.prefilled_tokens or 0.0
        self._told += signal.told_tokens
        self._lost += signal.lost_tokens
        self._promised += signal.promised_tokens
        if signal.hit_tokens is not None:
            self._hits = (self._hits or 0.0) + signal.hit_tokens

    @property
    def loss(self) -> float | None:
        """Share of the promised context that was computed again; None when nothing tells."""
        if self._told > 0:
            return self._lost / self._told
        if self._promised > 0 and self._hits is not None:
            return max(0.0, 1 - self._hits / self._promised)
        return None


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def build(options: Mapping[str, OptionValue]) -> Tokens:
    """The law with `options`, see `TokensOptions`."""
    return Tokens(read_options(TokensOptions, options))
