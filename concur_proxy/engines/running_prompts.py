"""A lower bound of a cache's size: prompts of running requests, divided by the share of the cache that they fill."""

from collections import deque
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Reading:
    at: float
    share: float
    """Share of the cache that running requests fill, 0 to 1."""
    running: int
    """Requests that run and whose prompts are not counted in `tokens` yet."""
    union: float
    tokens: int = 0


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
        self._readings: deque[_Reading] = deque(maxlen=READINGS_KEPT)

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
            self._readings.append(_Reading(rates.now, rates.kv_usage, rates.running, union))

    def _best(self) -> list[float]:
        """The highest bounds of the last readings, RANK at most."""
        return nlargest(
            RANK, (each.union * each.tokens / each.share for each in self._readings if each.tokens >= LEAST_TOKENS)
        )

    def ended(self, tokens: int, *, first_token_at: float) -> None:
        """A request with a prompt of `tokens` has ended. Its first token came at `first_token_at`."""
        for reading in reversed(self._readings):
            if reading.at < first_token_at:
                return
            if not reading.running:
                continue
            reading.tokens += tokens
            reading.running -= 1
