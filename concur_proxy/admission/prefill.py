"""How fast an engine computes prompts, as single answers show it."""


class PrefillSpeed:
    """The most prompt tokens that an engine computed in a second for one request, as two answers agree, slowly
    forgotten.

    An answer that had to wait for others tells less than the engine can do, and hardly any tells more; but one that
    does, as from a cache of whole answers on the way, must not count for hundreds of others. So this is known soon even
    where caches are kept, when an engine's counters never show it busy with prompts.
    """

    LEAST_TOKENS = 256
    """Fewer say nothing: the step's constant time outweighs them."""
    KEPT = 0.999
    """Part that is kept from one answer to the next: half of it after 700."""

    def __init__(self) -> None:
        self._fastest = 0.0
        self._second = 0.0

    @property
    def tokens_s(self) -> float | None:
        """Tokens a second, of the second-fastest answer; None until there were two."""
        return self._second or None

    def observe(self, tokens: int, seconds: float) -> None:
        """An engine computed so many prompt tokens before the first token of an answer, `seconds` after its release."""
        if tokens < self.LEAST_TOKENS or seconds <= 0:
            return
        speed = tokens / seconds
        fastest, second = self._fastest * self.KEPT, self._second * self.KEPT
        if speed > fastest:
            self._fastest, self._second = speed, fastest
        else:
            self._fastest, self._second = fastest, max(second, speed)
