"""How fast an engine computes prompts, as single answers show it."""


class PrefillSpeed:
    """The most prompt tokens that an engine computed in a second for one request, slowly forgotten.

    An answer that had to wait for others tells less than the engine can do, and none tells more. So this is known soon
    even where caches are kept, when an engine's counters never show it busy with prompts.
    """

    LEAST_TOKENS = 256
    """Fewer say nothing: the step's constant time outweighs them."""
    KEPT = 0.999
    """Part that is kept from one answer to the next: half of it after 700."""

    def __init__(self) -> None:
        self._peak = 0.0

    @property
    def tokens_s(self) -> float | None:
        """Tokens a second; None until one answer has told."""
        return self._peak or None

    def observe(self, tokens: int, seconds: float) -> None:
        """An engine computed so many prompt tokens before the first token of an answer, `seconds` after its release."""
        if tokens >= self.LEAST_TOKENS and seconds > 0:
            self._peak = max(self._peak * self.KEPT, tokens / seconds)
