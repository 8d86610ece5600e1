"""Sessions that were refused after a long wait and will come back. They still have their turn."""

from bisect import bisect_left, insort
from collections import OrderedDict


class Absent:
    """The sessions of one gate that were asked to come back, by seniority.

    If many requests reach their longest wait together, the queue is empty at that moment. Those sessions are still in
    front of each other: without them, each one would be the next in a queue that does not move.
    """

    RETURN_S = 60.0
    """After this time a session has come back or will not: it is the longest delay that clients are asked for."""

    def __init__(self) -> None:
        self._left_at: OrderedDict[int, float] = OrderedDict()
        """Seniorities, by when the sessions left."""
        self._order: list[int] = []

    def __len__(self) -> int:
        """Number of sessions that were absent when somebody asked last."""
        return len(self._order)

    def leave(self, seniority: int, now: float) -> None:
        """The session was refused after a wait."""
        self.come_back(seniority)
        self._left_at[seniority] = now
        insort(self._order, seniority)

    def come_back(self, seniority: int) -> None:
        """The session has a request again. Nothing happens if it was not absent."""
        if self._left_at.pop(seniority, None) is not None:
            del self._order[bisect_left(self._order, seniority)]

    def count(self, now: float) -> int:
        """How many sessions are expected back."""
        self._forget(now)
        return len(self._order)

    def before(self, seniority: int, now: float) -> int:
        """How many of them have a better seniority."""
        self._forget(now)
        return bisect_left(self._order, seniority)

    def _forget(self, now: float) -> None:
        while self._left_at:
            seniority, left_at = next(iter(self._left_at.items()))
            if left_at + self.RETURN_S > now:
                break
            self.come_back(seniority)
