"""The line of sessions that wait for a place."""

from collections.abc import Iterator
from heapq import merge

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session, SessionState


class WaitingLine:
    """Sessions with held requests: those put first by hand; those resuming from a pause, by seniority; then, as their
    requests came, new ones and those that were silent for longer than their lease. These have no cache left that would
    be lost by waiting, and put before new ones they would keep these out for as long as there are any.

    Joining, leaving and a session's position cost O(log n).
    """

    def __init__(self) -> None:
        self._preferred: SortedDict[int, Session] = SortedDict()
        self._resuming: SortedDict[int, Session] = SortedDict()
        self._returning: SortedDict[int, Session] = SortedDict()
        self._new: SortedDict[int, Session] = SortedDict()
        self._numbers: dict[Session, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, session: Session) -> bool:
        return session in self._numbers

    def __iter__(self) -> Iterator[Session]:
        """In the order of their turn."""
        yield from self._preferred.values()
        yield from self._resuming.values()
        by_number = merge(self._returning.items(), self._new.items(), key=_first)
        yield from (session for _, session in by_number)

    def join(self, session: Session) -> None:
        """Wait; joining twice is the same as once."""
        if session not in self._numbers:
            number = self._numbers[session] = _number(session)
            self._part(session)[number] = session

    def leave(self, session: Session) -> None:
        """Wait no more; leaving without having joined does nothing."""
        number = self._numbers.pop(session, None)
        if number is not None:
            del self._part(session)[number]

    def head(self) -> Session | None:
        """Who is next, or None."""
        if self._preferred:
            return self._preferred.peekitem(0)[1]
        if self._resuming:
            return self._resuming.peekitem(0)[1]
        heads = [part.peekitem(0) for part in (self._returning, self._new) if part]
        return min(heads)[1] if heads else None

    def first_new(self) -> Session | None:
        """The first of the sessions that have never been admitted, or None: it may be served by any engine."""
        for session in self._preferred.values():
            if session.state is not SessionState.PAUSED:
                return session
        return self._new.peekitem(0)[1] if self._new else None

    def position(self, session: Session) -> int:
        """Place in the line, from 1; a session that has not joined gets the place that it would have."""
        number = self._numbers.get(session, _number(session))
        part = self._part(session)
        if part is self._preferred:
            return self._preferred.bisect_left(number) + 1
        if part is self._resuming:
            return len(self._preferred) + self._resuming.bisect_left(number) + 1
        before = self._returning.bisect_left(number) + self._new.bisect_left(number)
        return len(self._preferred) + len(self._resuming) + before + 1

    def _part(self, session: Session) -> SortedDict[int, Session]:
        if session.is_preferred:
            return self._preferred
        if session.state is not SessionState.PAUSED:
            return self._new
        return self._returning if session.has_lapsed else self._resuming


def _first(item: tuple[int, Session]) -> int:
    return item[0]


def _number(session: Session) -> int:
    """By what the session's place in its part is decided."""
    if session.has_lapsed and session.held and not session.is_preferred:
        return next(iter(session.held)).number
    return session.rank
