"""How many tokens of KV cache a session needs: counted by the engine where it said so, estimated from bytes before."""


class FootprintEstimator:
    """Learns from answers how many tokens a byte of request makes, and by how much a session grows in a turn."""

    SMOOTHING = 0.1
    """Weight of the newest observation in the moving averages."""
    FIRST_TOKENS_PER_BYTE = 0.4
    """Until an engine has counted: more than English text makes (four bytes a token), as code and other tongues do. A
    first wave taken for too small thrashes, one taken for too large only waits a moment.
    """

    FIRST_BYTES = 2_000.0
    """Weight of that: a few short requests do not outweigh it, one long one does."""

    def __init__(self) -> None:
        self._bytes = self.FIRST_BYTES
        self._tokens = self.FIRST_BYTES * self.FIRST_TOKENS_PER_BYTE
        self._growth: float | None = None

    @property
    def tokens_per_byte(self) -> float:
        """Tokens of the last requests over their bytes."""
        return self._tokens / self._bytes

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
            kept = 1 - self.SMOOTHING
            self._bytes = kept * self._bytes + body_bytes
            self._tokens = kept * self._tokens + prompt_tokens

    def learn_growth(self, tokens: float) -> None:
        """A session's context grew by `tokens` between two answers; a shrunk one (a compacted history) is no growth."""
        if tokens > 0:
            self._growth = tokens if self._growth is None else self._growth + self.SMOOTHING * (tokens - self._growth)
