"""How much of an engine's work belongs to sessions that come back."""


class ReturningWork:
    """The share of the admitted work that belongs to sessions that come back with a longer prompt.

    Admission protects the caches of sessions between their turns. If it is given up, those caches may be lost, and the
    prompts of sessions that came back are computed again. This costs at most their share of the work. So if the share
    is negligible, nobody needs to wait: the engine orders single requests as well as the gateway could.

    A request without a name and without a readable prompt never continues a session that is known. A session that has
    come back before counts fully. For a new session, the odds count: 1 until enough sessions were silent for long
    enough. So the first wave of a fleet never counts as single requests.
    """

    MEMORY = 256
    """The weight of a request falls to 1/e after this many others. Counted in requests, it suits any speed of engine.
    It spans the long tool calls of a few agents among many single requests.
    """
    NEGLIGIBLE = 0.03
    """The largest share that is not worth a wait, both of the tokens and of the requests. It is also the most that
    admitting all requests can cost. Requests count too because the tokens of a large upload are only a guess.
    """

    def __init__(self) -> None:
        self._tokens = _Share()
        self._requests = _Share()

    def admitted(self, tokens: float, *, odds: float) -> None:
        """Count a request that was admitted, with the tokens of its prompt. `odds`: the probability that its session is
        one that comes back.
        """
        self._tokens.add(tokens, odds)
        self._requests.add(1.0, odds)

    @property
    def is_negligible(self) -> bool:
        """Whether hardly anything that was admitted lately comes back. False until something was admitted."""
        return max(self._tokens.returning, self._requests.returning) <= self.NEGLIGIBLE


class _Share:
    """The part of a sum that belongs to sessions that come back. The newest values count most."""

    def __init__(self) -> None:
        self._all = 0.0
        self._returning = 0.0

    @property
    def returning(self) -> float:
        """The part, 0 to 1; 1 as long as the sum is 0."""
        return self._returning / self._all if self._all else 1.0

    def add(self, value: float, odds: float) -> None:
        kept = 1 - 1 / ReturningWork.MEMORY
        self._all = kept * self._all + value
        self._returning = kept * self._returning + odds * value
