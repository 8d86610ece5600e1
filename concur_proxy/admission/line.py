"""The line of sessions that wait for a place."""

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session, SessionState


class WaitingLine:
    """Sessions with held requests: those resuming from a pause first, then new ones, each by seniority.

    Joining, leaving and a session's position cost O(log n).
    """

    def __init__(self) -> None:
        self._resuming: SortedDict[int, Session] = SortedDict()
        self._new: SortedDict[int, Session] = SortedDict()

    def __len__(self) -> int:
        return len(self._resuming) + len(self._new)

    @property
    def resuming(self) -> int:
        """How many of the waiting sessions resume from a pause."""
        return len(self._resuming)

    def join(self, session: Session) -> None:
        """Wait; joining twice is the same as once."""
        self._part(session)[session.rank] = session

    def leave(self, session: Session) -> None:
        """Wait no more; leaving without having joined does nothing."""
        self._part(session).pop(session.rank, None)

    def head(self) -> Session | None:
        """Who is next, or None."""
        for part in (self._resuming, self._new):
            if part:
                return part.peekitem(0)[1]
        return None

    def first_new(self) -> Session | None:
        """The first of the sessions that have never been admitted, or None: it may be served by any engine."""
        return self._new.peekitem(0)[1] if self._new else None

    def position(self, session: Session) -> int:
        """Place in the line, from 1; a session that has not joined gets the place that it would have."""
        if session.state is SessionState.PAUSED:
            return self._resuming.bisect_left(session.rank) + 1
        return len(self._resuming) + self._new.bisect_left(session.rank) + 1

    def _part(self, session: Session) -> SortedDict[int, Session]:
        return self._resuming if session.state is SessionState.PAUSED else self._new
