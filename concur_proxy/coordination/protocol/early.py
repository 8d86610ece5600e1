"""Requests that a new leader must not decide yet."""

from collections.abc import Callable, Collection, Iterator
from itertools import islice

from concur_proxy.coordination.protocol.messages import Claim

MOST_AT_ONCE = 32
"""Requests that a leader decides, or forgets, in one step: about 3 ms of work."""


class Early:
    """Claims that came before the expected replicas have joined. Afterwards they are decided a few at a time, by
    seniority, and what comes meanwhile waits behind them.
    """

    def __init__(self, expected: Collection[str], open_at: float) -> None:
        self._expected = set(expected)
        self._open_at = open_at
        self._claims: dict[tuple[str, int], tuple[Claim, float]] = {}
        """Each with its time of arrival."""
        self._is_sorted = False

    def is_open(self, now: float) -> bool:
        """Whether requests may be decided."""
        return not self._expected or now >= self._open_at

    def takes(self, now: float) -> bool:
        """Whether a request that arrives now waits here: others do, or requests may not be decided yet."""
        return bool(self._claims) or not self.is_open(now)

    def next_due(self) -> float | None:
        """When claims can be decided next; None without claims."""
        if not self._claims:
            return None
        return self._open_at if self._expected else 0.0

    def add(self, replica: str, claim: Claim, now: float) -> None:
        """A request has arrived."""
        self._claims[replica, claim.number] = claim, now

    def join(self, replica: str, claims: Collection[Claim], now: float) -> None:
        """A replica has joined, or joined again: these are its waiting requests."""
        self.lose(replica)
        for claim in claims:
            self.add(replica, claim, now)
        self._is_sorted = False  # replicas join in any order

    def drop(self, replica: str, number: int) -> None:
        """A request has ended."""
        self._claims.pop((replica, number), None)

    def lose(self, replica: str) -> None:
        """A replica is gone, with its requests."""
        self._expected.discard(replica)
        self._claims = {key: item for key, item in self._claims.items() if key[0] != replica}

    def take(self, now: float, seniority: Callable[[Claim], float]) -> Iterator[tuple[str, Claim, float]]:
        """The next claims to decide, by seniority and then by waiting time. Each with its replica, and with the seconds
        for which it has waited here.
        """
        if not self.is_open(now):
            return
        self._expected.clear()
        if not self._is_sorted:
            items = sorted(self._claims.items(), key=lambda item: (seniority(item[1][0]), -item[1][0].waited_s))
            self._claims, self._is_sorted = dict(items), True
        for key in list(islice(self._claims, MOST_AT_ONCE)):
            claim, came_at = self._claims.pop(key)
            yield key[0], claim, now - came_at
