"""Checks the reported size of an engine's KV cache against what the engine does with it.

Some engines report a number of blocks and a block size. Their product is the size of the cache only if all layers share
one kind of cache: a hybrid model reported 320 blocks of 16 tokens, which is 5,120, and held 463,459. A gateway that
believed this would run one session at a time. So a product is compared with what it cannot be:

- smaller than the longest prompt that the engine accepts. vLLM does not start if its cache cannot hold one;
- smaller than the context of an answer;
- smaller than tokens in the cache divided by the share of the cache that they fill: while nothing has ended since the
  engine was idle, and in the prompts of running requests (see `RunningPrompts`).

The largest of these replaces the product if it is much larger. A size in tokens, as other engines report it, is
believed, and an operator's number replaces both.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from statistics import median_low

from concur_proxy.engines.running_prompts import LEAST_TOKENS, RunningPrompts
from concur_proxy.engines.sample import IntervalRates

DOUBT = 1.5
"""Evidence replaces a derived size if it is more than this many times larger. Smaller differences have other causes,
such as blocks that are not full.
"""
FILLS_KEPT = 5
"""The median of this many ratios counts: one can be too high, if a prompt was still being computed."""


class CapacitySource(Enum):
    """Where the size that the gateway uses comes from."""

    UNKNOWN = "unknown"
    REPORTED = "reported"
    """The engine's metrics."""
    CORRECTED = "corrected"
    """The metrics contradict what the engine does."""
    SET = "set"
    """The setting `capacity_tokens`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The size of a cache, as the gateway uses it."""

    tokens: int | None
    source: CapacitySource
    reported: int | None
    """What the metrics say."""

    @property
    def differs(self) -> bool:
        """Whether the gateway uses another size than the reported one."""
        return self.tokens is not None and self.tokens != self.reported and self.reported is not None


class CapacityCheck:
    """One engine's evidence. It is forgotten when the engine restarts."""

    def __init__(self, set_tokens: int | None = None) -> None:
        """`set_tokens` is the operator's number; None: use what is reported."""
        self._set_tokens = set_tokens
        self._restart()

    def _restart(self) -> None:
        self._open: float | None = None
        self._largest = self._second = 0
        self._fills: deque[float] = deque(maxlen=FILLS_KEPT)
        self._filled: float | None = None
        self._answered = 0
        self._running = RunningPrompts()

    def answered(self, tokens: int) -> None:
        """An answer ended whose prompt and completion had this many tokens.

        The second largest counts, because one count can be wrong.
        """
        if tokens > self._largest:
            self._largest, self._second = tokens, self._largest
        elif tokens > self._second:
            self._second = tokens

    def ended(self, tokens: int, *, first_token_at: float) -> None:
        """A request with a prompt of `tokens` has ended. Its first token came at `first_token_at`, on the clock of the
        readings.
        """
        self._running.ended(tokens, first_token_at=first_token_at)

    def observe(
        self, rates: IntervalRates, *, is_derived: bool, in_flight: int, answered: int, union: float = 1.0
    ) -> None:
        """Look at one interval. `in_flight` requests of the gateway are at the engine now, and `answered` is a count
        that changes whenever one of them ends. `union` is what the active sessions need of the cache, divided by what
        they would need if they shared nothing.

        While nothing has ended since the engine was idle, all that it has computed is in the cache.
        """
        if rates.restarted:
            self._restart()
        if not is_derived:
            return
        self._running.read(rates, union=union)
        share, tokens = rates.kv_usage, self._filled
        ended, self._answered = answered != self._answered, answered
        if rates.running == 0 and rates.waiting == 0 and not in_flight:
            self._close()
            self._filled = 0.0
        elif tokens is None or ended or rates.running != in_flight or rates.waiting or rates.prefilled_tokens is None:
            self._close()
            self._filled = None
        else:
            self._filled = tokens + rates.prefilled_tokens
            if share and self._filled >= LEAST_TOKENS:
                self._open = self._filled / share

    def _close(self) -> None:
        """The stretch without an end of a request is over."""
        if self._open is not None:
            self._fills.append(self._open)
            self._open = None

    def judge(self, reported: int | None, *, is_derived: bool, most_tokens: int | None, ranks: int) -> Capacity:
        """The size to use. `most_tokens` is the longest prompt that the engine accepts, and `ranks` is how many caches
        are `reported` together.
        """
        if self._set_tokens is not None:
            return Capacity(tokens=self._set_tokens, source=CapacitySource.SET, reported=reported)
        if reported is None:
            return Capacity(tokens=None, source=CapacitySource.UNKNOWN, reported=None)
        if is_derived:
            least = self._least((most_tokens or 0) * ranks)
            if least > DOUBT * reported:
                return Capacity(tokens=least, source=CapacitySource.CORRECTED, reported=reported)
        return Capacity(tokens=reported, source=CapacitySource.REPORTED, reported=reported)

    def _least(self, accepted: int) -> int:
        fills = self._fills if self._open is None else [*self._fills, self._open]
        fill = median_low(fills) if fills else 0.0
        return max(accepted, self._second, round(fill), round(self._running.least_tokens))
