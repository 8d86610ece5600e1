"""The default law: a congestion window in tokens of KV cache, as TCP's window is in bytes.

An engine keeps the context of a session in its KV cache. If too many sessions are active, it evicts the context of one
session to make room for another, and has to compute it again when that session comes back. This *recomputation* is to
an engine what retransmission is to a network: it looks like work and gets nothing done. The law therefore raises the
window while sessions wait and little is recomputed, and lowers it when much is recomputed.

The window

    C    size of the engine's KV cache, in tokens
    f    what this law controls: the share of the cache to use, 0.3 to 1.2, and up to 4 for an idle engine
    W    the window, W = f C, in tokens

Each active session is charged the tokens of its context (see `Budget`). Sessions for which W has no room wait.

The measurements of a *round*

    t    length of the round, in seconds
    R    prefill rate: prompt tokens that the engine can compute per second
    q    share of t that the engine spent on recomputation, 0 to 1:  q = lost / (R t) - idle
    p    share of t that the engine spent on prompts, 0 to 1:        p = prefilled / (R t)

Context is *promised* when a session comes back that kept its place in the window: its context should be in the cache.
It counts when the answer ends, because the engine has counted its cache hits by then.
`lost` is the promised context that was computed again. Answers that report their cached tokens
(`prompt_tokens_details`) show which share of the promised context was lost. Without such answers, the law uses the
engine's own count of cache hits: lost = promised - hits. That count includes the hits of all other requests, so it
finds less. `prefilled` counts all prompt tokens computed. `idle` is the share of t in which the engine had no request:
recomputation in that time delayed nobody.

A round ends when W tokens have been promised or prefilled. By then every active session has come back once, or the
whole cache has been replaced, so the effect of the last change is visible: context that is evicted now is only missed
when its session comes back. Of promised context that several sessions share, each session's return counts only its
part: if 12 sessions share 24,000 tokens, each return is 2,000 of them. Otherwise four returns would be a round. At the
end of a round,

    q > loss_high (1 - p)                      lower:      f <- f max(1 - q / 2, CUT), but not below `minimum`
    q < loss_low (1 - p) and sessions wait     raise:      f <- f + step, but not above `maximum`
    otherwise                                  unchanged

A window is *cheap* if computing all of it takes a small part of the round: c = W / (R t), where t is without idle time,
is below CHEAP. That is so where answers are long. If all context were lost, little time would be lost, and a full batch
is worth more. Such a round is long, so f is raised at once as far as it may: to `maximum` at c = CHEAP, and up to
CHEAP_MAXIMUM at c = 0.

The limits shrink by 1 - p, the share of time that is left for decoding. A decoding step takes about as long for many
answers as for few, so a larger batch is worth some recomputation, but only as far as the engine spends time decoding.

Some engines keep evicted context in another cache, such as the host's memory, and reload it from there. That is no
loss. If they reload more than RELOAD_FAST times as fast as they compute prompts, waiting costs more than reloading.
Then f is multiplied by RELOAD_GROWTH when it is raised, up to IDLE_MAXIMUM. When the other cache is full too, context
is lost, and f falls as usual. How fast they reload is the highest rate that their counters have shown.

A window that fits into the engine's own cache needs few reloads, so these counters may never show how fast they could
be. If requests use less than MOSTLY_IDLE of the cache, most of it waits for tools, and a larger batch may be worth
reloading. The same is true below HALF_IDLE if more than TRIAL_RELOADED of what is served is reloaded already, and an
engine that reloads TRIAL_SPEED times as fast as it computes could reload all of it in a smaller share of the time than
the share of the cache that no request uses. Then the law tries it: f is multiplied by TRIAL_GROWTH, again and again, as
long as the engine serves at least WORSE times as many prompt tokens per second as before the trial, computed or cached.
If it serves fewer, f goes back at once to what it was then, and there is no growth beyond the engine's own cache for
TRIAL_PAUSE rounds.

While the gate admits every session whatever W is (`gives_way`), and until those that it admitted so have paused, f is
unchanged and no round runs: what is recomputed then is no effect of W. Otherwise f would fall to `minimum`, and control
would begin again with a window that leaves the engine idle.

Between rounds, one thing raises f at once: the engine is idle while sessions wait. Then f grows by `step` per
interval, up to IDLE_MAXIMUM, because recomputation costs nothing on an idle engine. An engine is idle if its gauges say
so and the gateway has no request in flight there; gauges alone can be late.

An example with the default options: C is 60,000 tokens and f is 0.9, so W is 54,000 tokens. R is 5,000 tokens/s. In
t = 20 s, sessions with 54,000 tokens of context come back. 20,000 of these tokens are computed again, and 30,000 prompt
tokens are computed in total. The engine is never idle. Then q = 20,000 / (5,000 * 20) = 0.2, and
p = 30,000 / (5,000 * 20) = 0.3. The limit is loss_high (1 - p) = 0.1 * 0.7 = 0.07. Because q is above the limit, f
becomes 0.9 * (1 - 0.2 / 2) = 0.81, and the window is lowered to 48,600 tokens.

If an engine does not report C, the law looks for it. It starts at `probe_tokens` and raises C by PROBE_GROWTH per
interval, starting from what the active sessions fill, as long as sessions wait. It stops when more than PROBE_LOSS of
the promised context is recomputed for the first time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Budget, Decision, DecisionKind
from concur_proxy.control.options import OptionValue, read_options, require
from concur_proxy.control.phrasing import percent
from concur_proxy.control.round import Round
from concur_proxy.control.second_cache import SecondCache
from concur_proxy.control.signal import CongestionSignal

CUT = 0.75
"""The largest decrease multiplies f by this: one bad round may not be typical of the load."""
IDLE_MAXIMUM = 4.0
"""Largest f while the engine is idle. Sessions that do not fit cost nothing then."""
CHEAP = 0.2
"""A window is cheap if the engine could compute all of it in a smaller share of the round than this."""
CHEAP_MAXIMUM = 1.2
"""Largest f of a window that costs nothing to compute. The engine has a queue then, and its batch is always full."""
PROBE_GROWTH = 1.1
"""Growth of an unknown capacity per interval; it doubles in 8 intervals."""
PROBE_LOSS = 0.08
"""An unknown capacity is found when a larger share of the promised context than this is recomputed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensOptions:
    """Options of `tokens`. The defaults suit most deployments."""

    factor: float = 0.9
    """f at the start. Below 1, because some cache blocks are charged to no session, and performance drops sharply when
    the cache is overfull.
    """
    minimum: float = 0.3
    """f never falls below this."""
    maximum: float = 0.93
    """f does not rise above this, except while the engine is idle or the window is cheap. Requests in flight grow
    before anything can be done, and performance drops suddenly when the cache is full.
    """
    step: float = 0.03
    """Added to f when the window is raised. 0: it is never raised."""
    loss_low: float = 0.04
    """Below this share of time spent on recomputation the window is raised, if sessions wait."""
    loss_high: float = 0.1
    """Above this share of time spent on recomputation the window is lowered."""
    reserve_turns: float = 0.3
    """Room to grow that a new session must leave, in turns per active session (see `Budget`). Sessions do not all grow
    at the same time: room for a whole turn of each would cost more than pausing a session now and then.
    """
    probe_tokens: float = 32_768.0
    """First guess of the capacity, in tokens, if the engine does not report it."""
    overload_cut: float = 0.8
    """f is multiplied by this when the engine refuses a request (HTTP 429 or 503)."""
    overload_pause_s: float = 5.0
    """Seconds in which refusals lower the window at most once, because refusals come in bursts."""

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
    """Limits the active sessions to a share of the cache that it learns."""

    enforces = True
    window = math.inf
    """Only tokens are limited, not the number of sessions."""

    def __init__(self, options: TokensOptions) -> None:
        self._options = options
        self._factor = options.factor
        self._sought = options.probe_tokens
        self._has_lost = False
        self._capacity: float | None = None
        self._round = Round()
        self._second = SecondCache()
        self._last_overload: float | None = None

    def on_signal(self, signal: CongestionSignal) -> Decision:
        self._round.count(signal)
        self._capacity = float(signal.capacity_tokens or self._sought)
        if signal.gives_way:
            self._restart()
            return self._hold("nobody waits for the window at present")
        return self._judge(signal) if signal.capacity_tokens else self._probe(signal)

    def on_overload(self, *, now: float) -> Decision:
        """Lower the window because the engine refused a request, once per `overload_pause_s`."""
        if self._last_overload is not None and now - self._last_overload < self._options.overload_pause_s:
            return self._hold("the engine refused a request just after the window was lowered for another one")
        self._last_overload = now
        self._second.end()
        return self._move(self._factor * self._options.overload_cut, "the engine refused a request")

    def save(self) -> dict[str, float]:
        """f, the guess of an unknown capacity, and whether that guess is final."""
        return {"factor": self._factor, "sought": self._sought, "has_lost": float(self._has_lost)}

    def resume(self, state: Mapping[str, float]) -> None:
        factor = state.get("factor", self._factor)
        if self._options.minimum <= factor <= IDLE_MAXIMUM:
            self._factor = factor
        sought = state.get("sought", self._sought)
        if 1 <= sought < math.inf:
            self._sought = sought
        self._has_lost = bool(state.get("has_lost", self._has_lost))
        self._restart()

    def _restart(self) -> None:
        """Begin a round, because what was counted so far is no effect of the window."""
        self._round.restart()
        self._second.end()

    def _judge(self, signal: CongestionSignal) -> Decision:
        this = self._round
        if this.is_idle_now and signal.queued_sessions:
            reason = "the engine was idle while sessions waited"
            return self._move(self._factor + self._options.step, reason, maximum=IDLE_MAXIMUM)
        if (before := self._second.fails(this)) is not None:
            this.restart()
            return self._move(
                min(before, self._factor), "less was served since the window was raised beyond the engine's own cache"
            )
        return self._judge_round(signal)

    def _judge_round(self, signal: CongestionSignal) -> Decision:
        o, this = self._options, self._round
        loss, decoding = this.time_lost(signal.prefill_tokens_s), 1 - this.time_prefilling(signal.prefill_tokens_s)
        spent = None if loss is None else f"{percent(loss)} of engine time was recomputation"
        if max(this.prefilled, this.covered) < self._window:
            return self._hold("not enough traffic yet to judge" + ("" if spent is None else f"; {spent}"))
        this = self._round.end()
        if loss is None:
            return self._hold("it is unknown how much of the context had to be recomputed")
        low, high = o.loss_low * decoding, o.loss_high * decoding
        if loss > high:
            self._second.end()
            return self._move(self._factor * max(1 - loss / 2, CUT), f"{spent}, above the limit of {percent(high)}")
        if loss < low and signal.queued_sessions:
            reason = f"{spent}, below the limit of {percent(low)}, and sessions waited"
            raised, maximum = self._raised(this, signal)
            return self._move(raised, reason, maximum=maximum)
        self._second.end()
        return self._hold(f"{spent}, " + ("but no session waited" if loss < low else f"at most {percent(high)}"))

    def _probe(self, signal: CongestionSignal) -> Decision:
        share = self._round.share_lost
        if self._has_lost:
            return self._judge(signal)
        if share is not None and share > PROBE_LOSS:
            self._has_lost = True
            self._round.restart()
            reason = f"{percent(share)} of the context of returning sessions was recomputed, so the cache is full"
            return self._move(self._factor * max(1 - share / 2, CUT), reason)
        if not signal.queued_sessions:
            return self._hold("no session waited; the size of the cache is not known yet")
        self._capacity = self._sought = max(self._sought, signal.footprint_tokens) * PROBE_GROWTH
        reason = "sessions waited and little was recomputed; the size of the cache is not known yet"
        return self._decide(DecisionKind.INCREASE, reason)

    @property
    def _window(self) -> float:
        return self._factor * (self._sought if self._capacity is None else self._capacity)

    def _raised(self, this: Round, signal: CongestionSignal) -> tuple[float, float]:
        """To what f is raised after a round, and its maximum."""
        o, f = self._options, self._factor
        highest = max(o.maximum, f)
        if not o.step:
            return f, highest
        if (beyond := self._second.raised(this, signal, f)) is not None:
            return beyond, IDLE_MAXIMUM
        cost = this.time_to_compute(self._window, signal.prefill_tokens_s)
        if cost < CHEAP:
            highest = max(f, CHEAP_MAXIMUM - (CHEAP_MAXIMUM - o.maximum) * cost / CHEAP)
            return highest, highest
        return f + o.step, highest

    def _move(self, factor: float, reason: str, *, maximum: float | None = None) -> Decision:
        before, highest = self._factor, max(self._options.maximum, self._factor) if maximum is None else maximum
        self._factor = min(max(factor, self._options.minimum), highest)
        if self._factor == before:
            bound = "minimum" if factor < before else "maximum"
            return self._hold(f"{reason}; the window is already at its {bound}")
        return self._decide(DecisionKind.INCREASE if self._factor > before else DecisionKind.DECREASE, reason)

    def _hold(self, reason: str) -> Decision:
        return self._decide(DecisionKind.HOLD, reason)

    def _decide(self, kind: DecisionKind, reason: str) -> Decision:
        if self._capacity is None:
            return Decision(kind=DecisionKind.HOLD, window=self.window, reason=f"{reason}; no signal has come yet")
        budget = Budget(tokens=self._window, reserve_turns=self._options.reserve_turns)
        return Decision(kind=kind, window=self.window, budget=budget, reason=reason)


def build(options: Mapping[str, OptionValue]) -> Tokens:
    """Make the law with the options of `TokensOptions`."""
    return Tokens(read_options(TokensOptions, options))
