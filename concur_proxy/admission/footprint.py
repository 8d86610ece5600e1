"""How many tokens of KV cache a session needs: counted by the engine where it said so, estimated from bytes before."""


class FootprintEstimator:
    """Learns from answers how many tokens a byte of request makes, and by how much a session grows in a turn."""

    SMOOTHING = 0.1
    """Weight of the newest observation in the moving averages."""
    FIRST_TOKENS_PER_BYTE = 0.25
    """Four bytes of English text a token, the usual rule of thumb, until an engine has counted."""

    def __init__(self) -> None:
        self.tokens_per_byte = self.FIRST_TOKENS_PER_BYTE
        self._growth: float | None = None

    def growth_tokens(self, footprint: float) -> float:
        """Mean growth of a session's context from one answer to the next, in tokens; until one was seen, as much as
        `footprint`: a first wave taken for one that does not grow would be let in whole, and paused a turn later.

        It is the reserve that every admitted session is given: footprints summed up to the full capacity thrash a
        turn later.
        """
        return footprint if self._growth is None else self._growth

    def estimate(self, body_bytes: int) -> float:
        """Tokens that a request body of this size will probably occupy."""
        return body_bytes * self.tokens_per_byte

    def learn(self, *, body_bytes: int, prompt_tokens: int) -> None:
        """The engine counted `prompt_tokens` in a request body of `body_bytes`."""
        if body_bytes > 0 and prompt_tokens > 0:
            self.tokens_per_byte += self.SMOOTHING * (prompt_tokens / body_bytes - self.tokens_per_byte)

    def learn_growth(self, tokens: float) -> None:
        """A session's context grew by `tokens` between two answers; a shrunk one (a compacted history) is no growth."""
        if tokens > 0:
            self._growth = tokens if self._growth is None else self._growth + self.SMOOTHING * (tokens - self._growth)
