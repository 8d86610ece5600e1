"""Sessions that are too large for the queue: each of them blocks only itself."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session, SessionState

OUTSIZED = 0.5
"""A session is outsized if it needs more than this share of the token window. It would have to wait until the others
have given up half of the cache, and so would everybody behind it.
"""
MOST_OVERTAKES = 32
"""An outsized session is admitted after so many others have passed it."""
LONGEST_S = 30.0
"""It is admitted after this time at the latest."""
PATIENCE_SHARE = 0.25
"""It is admitted after this share of the time that its request may wait at the latest."""


class Apart:
    """Outsized sessions that were next in the queue and did not fit. Others pass them, but only for so long. Then they
    are *due*: one of them at a time is admitted *alone*, for one answer, whatever the window says.

    A session whose prompt is probably longer than the engine accepts is due at once. The engine refuses it without any
    work, and only the engine knows its length.

    Every operation costs O(log n) or less, except `position`.
    """

    def __init__(self) -> None:
        self._by_due: SortedDict[tuple[float, int], Session] = SortedDict()
        self._entries: dict[Session, tuple[float, int]] = {}
        self._overtaken: dict[Session, int] = {}
        """How many sessions had been admitted from the queue when the session was set apart."""
        self._admitted = self._number = 0
        self._alone: Session | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, session: Session) -> bool:
        return session in self._entries

    def __iter__(self) -> Iterator[Session]:
        """All sessions, the one that is due first before the others."""
        return iter(list(self._by_due.values()))

    def join(self, session: Session, now: float) -> None:
        """Set the waiting session apart."""
        first = next(iter(session.held))
        due = min(now + LONGEST_S, first.arrived_at + PATIENCE_SHARE * (first.deadline - first.arrived_at))
        if session.is_beyond or session.is_preferred:
            due = now
        self._number += 1
        entry = self._entries[session] = (max(due, now), self._number)
        self._by_due[entry] = session
        self._overtaken[session] = self._admitted

    def leave(self, session: Session) -> None:
        """Remove the session. Nothing happens if it was not set apart."""
        entry = self._entries.pop(session, None)
        if entry is not None:
            del self._by_due[entry], self._overtaken[session]

    def overtake(self) -> None:
        """A session from the queue was admitted."""
        self._admitted += 1

    def first(self) -> Session | None:
        """The session that is due first, or None."""
        return self._by_due.peekitem(0)[1] if self._by_due else None

    def first_new(self) -> Session | None:
        """The first session, if it was never admitted and another engine may have room for it; or None."""
        first = self.first()
        return None if first is None or first.is_beyond or first.state is SessionState.PAUSED else first

    def may_run_alone(self, session: Session, now: float) -> bool:
        """Whether the session is due, and no other one runs alone."""
        has_waited = self._entries[session][0] <= now or self._admitted - self._overtaken[session] >= MOST_OVERTAKES
        return (has_waited or session.is_beyond) and not self._is_taken

    def run_alone(self, session: Session) -> None:
        """The session is admitted alone."""
        self._alone = session

    def next_due(self) -> float | None:
        """When a session will be due; None without such a session, or while another one runs alone."""
        return self._by_due.peekitem(0)[0][0] if self._by_due and not self._is_taken else None

    def position(self, session: Session) -> int:
        """The session's place among these sessions, from 1."""
        return self._by_due.index(self._entries[session]) + 1

    def wait_s(self, session: Session, now: float) -> float:
        """Seconds until the session is due."""
        return max(0.0, self._entries[session][0] - now)

    @property
    def _is_taken(self) -> bool:
        return self._alone is not None and self._alone.state is SessionState.ACTIVE and self._alone.in_flight > 0
