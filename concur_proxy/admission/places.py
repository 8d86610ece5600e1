"""The sessions that hold a place in the window."""

from collections import OrderedDict
from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session


class Places:
    """Active sessions by seniority, and the sum of their footprints. Sessions that are about to pause at the end of
    their answer are kept apart: they are *pausing*, the others are *steady*.

    Every operation costs O(log n) or less.
    """

    def __init__(self) -> None:
        self._steady: SortedDict[int, Session] = SortedDict()
        self._pausing: SortedDict[int, Session] = SortedDict()
        self._stopping: SortedDict[int, Session] = SortedDict()
        """The pausing sessions that an operator paused: they pause even if there is room."""
        self._idle: dict[bool, OrderedDict[Session, None]] = {True: OrderedDict(), False: OrderedDict()}
        self.footprint_tokens = 0.0
        """Sum of the footprints of all sessions with a place."""
        self.pausing_tokens = 0.0
        """The part of that sum whose sessions are about to pause."""

    def __len__(self) -> int:
        return len(self._steady) + len(self._pausing) + len(self._stopping)

    def __iter__(self) -> Iterator[Session]:
        """Steady sessions first, each part by seniority."""
        for part in (self._steady, self._pausing, self._stopping):
            yield from part.values()

    @property
    def steady(self) -> int:
        """Number of steady sessions."""
        return len(self._steady)

    @property
    def steady_tokens(self) -> float:
        """Sum of the footprints of the steady sessions."""
        return self.footprint_tokens - self.pausing_tokens

    @property
    def pausing(self) -> int:
        """Number of sessions that pause when their answers end, unless there is room for them by then."""
        return len(self._pausing)

    def take(self, session: Session) -> None:
        """Give the session a place."""
        self._steady[session.seniority] = session
        self.footprint_tokens += session.footprint

    def give_up(self, session: Session) -> None:
        """Take the session's place away."""
        self.measure(session, 0.0)
        self._part(session).pop(session.seniority)
        session.pausing = False
        for idle in self._idle.values():
            idle.pop(session, None)
        if not self:
            self.footprint_tokens = self.pausing_tokens = 0.0  # rounding errors must not add up

    def measure(self, session: Session, footprint: float) -> None:
        """Change the session's footprint."""
        self.footprint_tokens += footprint - session.footprint
        if session.pausing:
            self.pausing_tokens += footprint - session.footprint

    def youngest(self) -> Session:
        """The steady session with the highest seniority number: it pauses first."""
        return self._steady.peekitem(-1)[1]

    def start_pausing(self, session: Session) -> None:
        """Mark the session: it pauses at the end of its answer."""
        del self._steady[session.seniority]
        self._pausing[session.seniority] = session
        session.pausing = True
        self.pausing_tokens += session.footprint

    def reprieve(self) -> Session:
        """Let the most senior pausing session keep its place."""
        seniority, session = self._pausing.popitem(0)
        session.pausing = False
        self.pausing_tokens -= session.footprint
        self._steady[seniority] = session
        return session

    def stop(self, session: Session) -> None:
        """Mark a session that an operator paused: it pauses at the end of its answer, even if there is room."""
        if not session.pausing:
            self.start_pausing(session)
        self._stopping[session.seniority] = self._pausing.pop(session.seniority)

    def let_go_on(self, session: Session) -> None:
        """Remove the marks of a session that an operator resumed before it paused: it keeps its place."""
        self._steady[session.seniority] = self._stopping.pop(session.seniority)
        session.pausing = False
        self.pausing_tokens -= session.footprint

    def reorder(self, session: Session, seniority: int) -> None:
        """Give the session another seniority."""
        part = self._part(session)
        del part[session.seniority]
        session.seniority = seniority
        part[seniority] = session

    def _part(self, session: Session) -> SortedDict[int, Session]:
        if not session.pausing:
            return self._steady
        return self._stopping if session.stopped else self._pausing

    def rest(self, session: Session) -> None:
        """Begin the session's lease, because its last request has ended."""
        self._idle[session.is_in_first_gap][session] = None

    def wake(self, session: Session) -> None:
        """End the session's lease, because it is back with a request."""
        for idle in self._idle.values():
            idle.pop(session, None)

    def longest_idle(self, *, is_first: bool) -> Session | None:
        """The session that has been idle for longest, among those in their first gap or the others; None if none is."""
        return next(iter(self._idle[is_first]), None)
