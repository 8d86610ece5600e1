"""Sessions that resume go first, then new ones as they arrived. Tenants are ignored."""

from collections.abc import Iterator
from heapq import merge

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session, SessionState


class ResumingFirst:
    """Four queues, one after the other, except that the last two are served together in order of arrival:

    1. sessions that an operator put first, by seniority;
    2. sessions that resume after a pause, by seniority: they may still have a cache, which others will soon evict;
    3. sessions that lost their place because they were idle for longer than their lease: they have no cache left to
       lose, and if they went first, new sessions would never get in;
    4. new sessions.

    Joining, leaving and a position cost O(log n).
    """

    def __init__(self) -> None:
        self._preferred: SortedDict[int, Session] = SortedDict()
        self._resuming: SortedDict[int, Session] = SortedDict()
        self._returning: SortedDict[int, Session] = SortedDict()
        self._new: SortedDict[int, Session] = SortedDict()
        self._places: dict[Session, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, session: Session) -> bool:
        return session in self._places

    def __iter__(self) -> Iterator[Session]:
        """All sessions in the order of their turn."""
        yield from self._preferred.values()
        yield from self._resuming.values()
        by_number = merge(self._returning.items(), self._new.items(), key=_first)
        yield from (session for _, session in by_number)

    def join(self, session: Session) -> None:
        """Add the session. Joining twice changes nothing."""
        if session not in self._places:
            number = self._places[session] = _number(session)
            self._queue_of(session)[number] = session

    def leave(self, session: Session) -> None:
        """Remove the session. Nothing happens if it has not joined."""
        number = self._places.pop(session, None)
        if number is not None:
            del self._queue_of(session)[number]

    def head(self) -> Session | None:
        """The session that is next, or None."""
        if self._preferred:
            return self._preferred.peekitem(0)[1]
        if self._resuming:
            return self._resuming.peekitem(0)[1]
        heads = [queue.peekitem(0) for queue in (self._returning, self._new) if queue]
        return min(heads)[1] if heads else None

    def first_new(self) -> Session | None:
        """The first session that was never admitted, or None."""
        for session in self._preferred.values():
            if session.state is not SessionState.PAUSED:
                return session
        return self._new.peekitem(0)[1] if self._new else None

    def position(self, session: Session) -> int:
        """The session's place, from 1. For one that has not joined: the place that it would get."""
        number = self._places.get(session, _number(session))
        queue = self._queue_of(session)
        if queue is self._preferred:
            return self._preferred.bisect_left(number) + 1
        if queue is self._resuming:
            return len(self._preferred) + self._resuming.bisect_left(number) + 1
        before = self._returning.bisect_left(number) + self._new.bisect_left(number)
        return len(self._preferred) + len(self._resuming) + before + 1

    def _queue_of(self, session: Session) -> SortedDict[int, Session]:
        if session.is_preferred:
            return self._preferred
        if session.state is not SessionState.PAUSED:
            return self._new
        return self._returning if session.has_lapsed else self._resuming


def _first(item: tuple[int, Session]) -> int:
    return item[0]


def _number(session: Session) -> int:
    """What orders the session within its queue."""
    if session.has_lapsed and session.held and not session.is_preferred:
        return next(iter(session.held)).number
    return session.seniority


def build() -> ResumingFirst:
    """Make the order."""
    return ResumingFirst()
