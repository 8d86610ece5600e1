"""A lower bound of a cache's size: prompts of running requests, divided by the share of the cache that they fill."""

from array import array
from collections.abc import Iterator
from heapq import nlargest

from concur_proxy.engines.sample import IntervalRates

LEAST_TOKENS = 256
"""Fewer tokens than this fill too few blocks for a ratio."""
READINGS_KEPT = 32
"""Readings to which prompts are added. Few answers take longer than so many intervals."""
RANK = 3
"""The third-highest bound of these readings counts, or the lowest of fewer. One or two can be wrong, if a request ended
just before the reading, or its prompt had been evicted.
"""


_AT, _SHARE, _RUNNING, _UNION, _TOKENS, _WIDTH = range(6)
"""The numbers of a reading: its time, the share of the cache that running requests fill (0 to 1), requests that run and
whose prompts are not counted yet, what they share with each other (see `read`), and the tokens of the counted prompts.
"""


class RunningPrompts:
    """Adds up the prompts of the requests that ran when the engine's metrics were read.

    The length of a prompt is known when its answer ends. A request ran at a reading if its first token had come by
    then. The prompts of all such requests, divided by the share of the cache that was filled, are a lower bound of the
    cache's size: prompts that were still being computed, the answers, and requests of others were in the cache too.

    What several of these prompts share is in the cache once. The sum is therefore multiplied by the share of the active
    sessions' contexts that remains when shared parts count once. That is less than the running requests fill, because
    fewer requests run than sessions are active.

    A bound is low when little is known of what runs. So the highest one counts, and it never falls.
    """

    def __init__(self) -> None:
        self._highest = 0.0
        self._numbers = array("d", bytes(8 * _WIDTH * READINGS_KEPT))
        """The last readings, one after another. In an array: objects that are made during a flood of requests, and
        stay, would each keep a megabyte of its memory.
        """
        self._count = 0
        """All readings so far."""

    @property
    def least_tokens(self) -> float:
        """The cache has at least so many tokens; 0 if nothing is known."""
        return max(self._highest, min(self._best(), default=0.0))

    def read(self, rates: IntervalRates, *, union: float) -> None:
        """The metrics were read. `union` is what the active sessions need of the cache, divided by what they would need
        if they shared nothing, 0 to 1.
        """
        best = self._best()
        if len(best) == RANK:
            self._highest = max(self._highest, best[-1])
        if rates.kv_usage and rates.running:
            at = self._count % READINGS_KEPT * _WIDTH
            self._numbers[at : at + _WIDTH] = array("d", (rates.now, rates.kv_usage, rates.running, union, 0))
            self._count += 1

    def _best(self) -> list[float]:
        """The highest bounds of the last readings, RANK at most."""
        numbers = self._numbers
        return nlargest(
            RANK,
            (
                numbers[at + _UNION] * numbers[at + _TOKENS] / numbers[at + _SHARE]
                for at in self._newest_first()
                if numbers[at + _TOKENS] >= LEAST_TOKENS
            ),
        )

    def ended(self, tokens: int, *, first_token_at: float) -> None:
        """A request with a prompt of `tokens` has ended. Its first token came at `first_token_at`."""
        numbers = self._numbers
        for at in self._newest_first():
            if numbers[at + _AT] < first_token_at:
                return
            if numbers[at + _RUNNING]:
                numbers[at + _TOKENS] += tokens
                numbers[at + _RUNNING] -= 1

    def _newest_first(self) -> Iterator[int]:
        """Where each reading begins in the array."""
        oldest = max(0, self._count - READINGS_KEPT)
        return (number % READINGS_KEPT * _WIDTH for number in range(self._count - 1, oldest - 1, -1))
