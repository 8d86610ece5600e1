"""A congestion window in tokens of KV cache, as TCP's is in bytes: the default.

The window is a part f of the cache's capacity C, W = f C, and a session is charged its footprint in it (`Budget`). The
loss signal, this network's retransmission, is *re-prefill*: context that a session should have found in the cache,
because it kept its place, and that was computed again all the same. It costs the engine time, and that is what counts:

    lost = told lost, of answers that tell their cached tokens (`prompt_tokens_details`), else
    lost = promised - hits, by the engine's hit counter, which counts all sessions' hits and so sees less
    q = lost / (R t) - idle      share of the time t that went into re-prefill, R being the prefill rate; what the
                                 engine would have been idle for costs nobody anything
    p = prefilled / (R t)        share that went into prompts. The rest went into steps whose duration hardly depends
                                 on how many answers they continue, and there a larger batch is worth a little loss

What is evicted now is missed when its session comes back. So f moves once in a *round*, in which W tokens have been
promised or prefilled: each active session has come back once, or the cache was turned over. By that time's q,

    q > loss_high (1 - p)                      f <- max(f max(1 - q / 2, CUT), minimum)
    q < loss_low (1 - p) and sessions wait     f <- min(f + step, maximum)
    otherwise                                  f

and, whenever the engine has nothing at all to do while sessions wait, f <- min(f + step, IDLE_MAXIMUM). An engine has
nothing to do if its gauges say so and the gateway itself has no request in flight there.

Where the engine does not tell its capacity, C is sought first, from `probe_tokens` on: it is what the active sessions
fill, times 1.1 an interval as long as sessions wait and nothing is lost, until the first loss.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Budget, Decision, DecisionKind
from concur_proxy.control.options import OptionValue, read_options, require
from concur_proxy.control.signal import CongestionSignal

CUT = 0.75
"""Factor of the deepest cut: one bad round is not the load's true measure."""
IDLE_MAXIMUM = 4.0
"""To this f rises for an idle engine: caches that do not fit are computed again at no cost then."""
PROBE_GROWTH = 1.1
"""Of the sought capacity in an interval: doubled after 8."""
PROBE_LOSS = 0.08
"""Share of what was promised that was lost, at which the capacity is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensOptions:
    """Options of `tokens`; none needs to be set."""

    factor: float = 0.9
    """Part of the capacity with which it begins: beyond all of it is a cliff, and some blocks are charged to nobody."""
    minimum: float = 0.3
    maximum: float = 1.0
    step: float = 0.03
    loss_low: float = 0.04
    loss_high: float = 0.1
    """Shares of the engine's time."""
    reserve_turns: float = 0.3
    """Growth charged beside each footprint before a further session is admitted, in turns. Not all grow at once, and
    what a whole turn's would leave empty costs more than a pause now and then.
    """
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
        self._round = _Round()
        self._last_overload: float | None = None

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """One control interval has passed."""
        self._round.count(signal)
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

    def save(self) -> dict[str, float]:
        """f, and the capacity as far as it was sought."""
        return {"factor": self._factor, "sought": self._sought, "has_lost": float(self._has_lost)}

    def resume(self, state: Mapping[str, float]) -> None:
        """Go on from there."""
        factor = state.get("factor", self._factor)
        if self._options.minimum <= factor <= IDLE_MAXIMUM:
            self._factor = factor
        sought = state.get("sought", self._sought)
        if 1 <= sought < math.inf:
            self._sought = sought
        self._has_lost = bool(state.get("has_lost", self._has_lost))
        self._round.restart()

    def _judge(self, signal: CongestionSignal) -> Decision:
        o, this = self._options, self._round
        if this.is_idle_now and signal.queued_sessions:
            return self._move(self._factor + o.step, "engine idle and sessions wait", maximum=IDLE_MAXIMUM)
        loss, decoding = this.time_lost(signal.prefill_tokens_s), 1 - this.time_prefilling(signal.prefill_tokens_s)
        if max(this.prefilled, this.promised) < self._window:
            progress = max(this.prefilled, this.promised) / self._window
            return self._hold(f"{progress:.0%} of a round, {_percent(loss)} of its time lost")
        this.restart()
        if loss is None:
            return self._hold("loss unknown")
        low, high = o.loss_low * decoding, o.loss_high * decoding
        if loss > high:
            return self._move(self._factor * max(1 - loss / 2, CUT), f"{loss:.1%} of time lost > {high:.1%}")
        if loss < low and signal.queued_sessions:
            return self._move(self._factor + o.step, f"{loss:.1%} of time lost < {low:.1%} and sessions wait")
        return self._hold(f"{loss:.1%} of time lost")

    def _probe(self, signal: CongestionSignal) -> Decision:
        self._capacity = self._sought
        share = self._round.share_lost
        if self._has_lost:
            return self._judge(signal)
        if share is not None and share > PROBE_LOSS:
            self._has_lost = True
            self._round.restart()
            return self._move(self._factor * max(1 - share / 2, CUT), f"capacity sought: {share:.1%} of caches lost")
        if not signal.queued_sessions:
            return self._hold("capacity sought: nobody waits")
        self._capacity = self._sought = max(self._sought, signal.footprint_tokens) * PROBE_GROWTH
        return self._decide(DecisionKind.INCREASE, "capacity sought: no loss and sessions wait")

    @property
    def _window(self) -> float:
        return self._factor * (self._sought if self._capacity is None else self._capacity)

    def _move(self, factor: float, reason: str, *, maximum: float | None = None) -> Decision:
        before, highest = self._factor, max(self._options.maximum, self._factor) if maximum is None else maximum
        self._factor = min(max(factor, self._options.minimum), highest)
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


class _Round:
    """What has been prefilled, promised and lost since the window last moved."""

    def __init__(self) -> None:
        self.is_idle_now = False
        self._last: float | None = None
        self.restart()

    def restart(self) -> None:
        self.prefilled = 0.0
        self.promised = 0
        self._told = self._lost = 0
        self._hits: float | None = None
        self._seconds = self._idle_s = 0.0

    def count(self, signal: CongestionSignal) -> None:
        passed = 0.0 if self._last is None else signal.now - self._last
        self._last = signal.now
        self._seconds += passed
        # Gauges can be late, so the gateway's own count decides: what it has in flight is being computed.
        self.is_idle_now = signal.running == 0 and signal.waiting == 0 and signal.in_flight == 0
        self._idle_s += passed if self.is_idle_now else 0.0
        self.prefilled += signal.prefilled_tokens or 0.0
        self._told += signal.told_tokens
        self._lost += signal.lost_tokens
        self.promised += signal.promised_tokens
        if signal.hit_tokens is not None:
            self._hits = (self._hits or 0.0) + signal.hit_tokens

    @property
    def share_lost(self) -> float | None:
        """Part of the promised context that was computed again; None when nothing tells."""
        if self._told > 0:
            return self._lost / self._told
        if self.promised > 0 and self._hits is not None:
            return max(0.0, 1 - self._hits / self.promised)
        return None

    def time_lost(self, prefill_tokens_s: float | None) -> float | None:
        """Part of the time that went into re-prefill, 0 to 1, less that in which the engine was idle."""
        share = self.share_lost
        if share is None or not prefill_tokens_s or self._seconds <= 0:
            return None
        # No more was lost than was computed: requests at the same time are each promised the same history.
        lost_s = min(share * self.promised, self.prefilled) / prefill_tokens_s
        return max(0.0, min(1.0, lost_s / self._seconds) - self._idle_s / self._seconds)

    def time_prefilling(self, prefill_tokens_s: float | None) -> float:
        """Part of the time that went into prompts, 0 to 1; 0 where the rate is unknown."""
        if not prefill_tokens_s or self._seconds <= 0:
            return 0.0
        return min(1.0, self.prefilled / prefill_tokens_s / self._seconds)


def _percent(share: float | None) -> str:
    return "an unknown part" if share is None else f"{share:.1%}"


def build(options: Mapping[str, OptionValue]) -> Tokens:
    """The law with `options`, see `TokensOptions`."""
    return Tokens(read_options(TokensOptions, options))
