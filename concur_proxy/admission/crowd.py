"""How many sessions there are at an engine and how much cache they need, and how long requests would wait for it."""

from dataclasses import dataclass

HALF_LIFE_TURNS = 6.0
"""Agents have about a dozen turns."""
KEPT = 0.75
"""The part of a cache that still finds what it needs when the cache is too small."""
UNKNOWN_PREFILL_TOKENS_S = 5_000.0
"""The engine's prefill rate until it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The sessions that have a place or wait for one, and the engine."""

    active: int
    """Sessions with a place."""
    active_tokens: float
    """Their footprints, tokens."""
    pausing_tokens: float
    """The part of them that belongs to sessions whose places end with their present answers, tokens."""
    waiting: int
    """Sessions that wait."""
    waiting_tokens: float
    """Their footprints, tokens."""
    cache_tokens: int | None
    """The size of the engine's cache; None until it is known."""
    growth_tokens: float
    """Tokens by which a session grows in a turn; 0 until it is known."""
    prefill_tokens_s: float | None
    """Prompt tokens that the engine computes in a second; None until it is known."""

    @property
    def grown_tokens(self) -> float:
        """What the sessions will need in the middle of their lives, at least."""
        return (self.active + self.waiting) * HALF_LIFE_TURNS * self.growth_tokens

    @property
    def load(self) -> float:
        """What the sessions need now, in multiples of the cache; 0 while the size of the cache is unknown."""
        return (self.active_tokens + self.waiting_tokens) / self.cache_tokens if self.cache_tokens else 0.0

    @property
    def round_s(self) -> float:
        """Seconds that a request would wait without control at present, about. What does not fit in the cache is
        computed again in each round of turns, and a request waits for a round.
        """
        return self._seconds(self.active_tokens + self.waiting_tokens)

    @property
    def uncontrolled_wait_s(self) -> float:
        """The same in the middle of the sessions' lives. Without control, all of them grow at the same time."""
        return self._seconds(max(self.active_tokens + self.waiting_tokens, self.grown_tokens))

    def _seconds(self, tokens: float) -> float:
        beyond = tokens - KEPT * (self.cache_tokens or 0)
        return max(0.0, beyond) / (self.prefill_tokens_s or UNKNOWN_PREFILL_TOKENS_S)
