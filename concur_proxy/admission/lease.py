"""How long a session keeps its place between two turns while others wait for a place."""

from typing import Protocol

from concur_proxy.admission.gap import Gap


class Lease(Protocol):
    """How long a session keeps its place, and an agent that waits for its sub-agents the cache of its context, between
    two turns.
    """

    def duration_s(self, kind: Gap) -> float:
        """Seconds after a session's last answer until its place can go to a session that waits."""
        ...

    @property
    def keeps_caches(self) -> bool:
        """False if no lease is worthwhile in any kind of gap that occurs at present."""
        ...

    def return_odds(self, kind: Gap) -> float:
        """The probability that a session comes back after an answer; 1 until enough is known."""
        ...

    def begin_gap(self, kind: Gap, *, now: float) -> int:
        """An answer has ended and the session is idle. Returns the number of this gap."""
        ...

    def end_gap(self, number: int, *, now: float, came_back: bool) -> None:
        """The session is back, or it has ended or was forgotten. An unknown number changes nothing."""
        ...

    def review(self, *, now: float, is_engine_idle: bool = False) -> None:
        """Judge again, counting the sessions that are idle now as silent so far. Call this often. `is_engine_idle`: no
        request of the gateway is at the engine.
        """
        ...

    def observe_break_even(self, seconds: float) -> None:
        """Learn after how many seconds computing a cache again is cheaper than having kept it."""
        ...

    def begin_with(self, seconds: float) -> None:
        """Use the lease that another gateway has learned, until enough gaps are known here."""
        ...


class FixedLease:
    """A lease of a constant length."""

    keeps_caches = True

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s

    def duration_s(self, kind: Gap) -> float:  # noqa: ARG002 - the interface's argument
        """The constant length, seconds."""
        return self._duration_s

    def return_odds(self, kind: Gap) -> float:  # noqa: ARG002 - the interface's argument
        """1: nothing is learned."""
        return 1.0

    def begin_gap(self, kind: Gap, *, now: float) -> int:  # noqa: ARG002 - the interface's arguments
        """Does nothing: the length is constant."""
        return 0

    def end_gap(self, number: int, *, now: float, came_back: bool) -> None:
        """Does nothing: the length is constant."""

    def review(self, *, now: float, is_engine_idle: bool = False) -> None:
        """Does nothing: the length is constant."""

    def observe_break_even(self, seconds: float) -> None:
        """Does nothing: the length is constant."""

    def begin_with(self, seconds: float) -> None:
        """Does nothing: the length is constant."""
