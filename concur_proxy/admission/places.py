"""The sessions that hold a place in the window."""

from collections import OrderedDict
from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session


class Places:
    """Active sessions by seniority, apart from those that pause at the end of their answer, with their footprints' sum.

    Every operation costs O(log n) or less.
    """

    def __init__(self) -> None:
        self._steady: SortedDict[int, Session] = SortedDict()
        self._pausing: SortedDict[int, Session] = SortedDict()
        self._stopping: SortedDict[int, Session] = SortedDict()
        """Those that were stopped by hand and have not paused yet."""
        self._idle: OrderedDict[Session, None] = OrderedDict()
        self.footprint_tokens = 0.0
        """Sum of the footprints of all sessions with a place."""
        self.pausing_tokens = 0.0
        """The part of it whose sessions are about to pause."""

    def __len__(self) -> int:
        return len(self._steady) + len(self._pausing) + len(self._stopping)

    def __iter__(self) -> Iterator[Session]:
        """By seniority, those first that keep their places."""
        for part in (self._steady, self._pausing, self._stopping):
            yield from part.values()

    @property
    def steady(self) -> int:
        """Places whose sessions are not about to pause."""
        return len(self._steady)

    @property
    def steady_tokens(self) -> float:
        """Sum of the footprints of their sessions."""
        return self.footprint_tokens - self.pausing_tokens

    @property
    def pausing(self) -> int:
        """Places given up as soon as what is in flight has ended, unless there is room for them by then."""
        return len(self._pausing)

    def take(self, session: Session) -> None:
        """Give the session a place."""
        self._steady[session.rank] = session
        self.footprint_tokens += session.footprint

    def give_up(self, session: Session) -> None:
        """Take the session's place away."""
        self.measure(session, 0.0)
        self._part(session).pop(session.rank)
        session.pausing = False
        self._idle.pop(session, None)
        if not self:
            self.footprint_tokens = self.pausing_tokens = 0.0  # float remainders must not add up over the years

    def measure(self, session: Session, footprint: float) -> None:
        """Count the session's footprint as this from now on."""
        self.footprint_tokens += footprint - session.footprint
        if session.pausing:
            self.pausing_tokens += footprint - session.footprint

    def youngest(self) -> Session:
        """The steady session that was admitted last by seniority."""
        return self._steady.peekitem(-1)[1]

    def start_pausing(self, session: Session) -> None:
        """The session gives its place up at the end of its answer."""
        del self._steady[session.rank]
        self._pausing[session.rank] = session
        session.pausing = True
        self.pausing_tokens += session.footprint

    def reprieve(self) -> Session:
        """The most senior pausing session keeps its place after all."""
        rank, session = self._pausing.popitem(0)
        session.pausing = False
        self.pausing_tokens -= session.footprint
        self._steady[rank] = session
        return session

    def stop(self, session: Session) -> None:
        """The session was stopped by hand: it gives its place up at the end of its answer, whatever room there is."""
        if not session.pausing:
            self.start_pausing(session)
        self._stopping[session.rank] = self._pausing.pop(session.rank)

    def let_go_on(self, session: Session) -> None:
        """The session that was to stop keeps its place after all."""
        self._steady[session.rank] = self._stopping.pop(session.rank)
        session.pausing = False
        self.pausing_tokens -= session.footprint

    def rerank(self, session: Session, rank: int) -> None:
        """Give the session another seniority."""
        part = self._part(session)
        del part[session.rank]
        session.rank = rank
        part[rank] = session

    def _part(self, session: Session) -> SortedDict[int, Session]:
        if not session.pausing:
            return self._steady
        return self._stopping if session.stopped else self._pausing

    def rest(self, session: Session) -> None:
        """The session's last request has ended; its lease begins."""
        self._idle[session] = None

    def wake(self, session: Session) -> None:
        """The session is back with a request."""
        self._idle.pop(session, None)

    def longest_idle(self) -> Session | None:
        """The session whose lease ends first, or None when none is idle."""
        return next(iter(self._idle), None)
