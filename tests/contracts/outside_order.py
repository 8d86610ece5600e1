"""A queue order as another package would have it: the smallest request first, as a cache for it is found soonest."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session, SessionState

Place = tuple[bool, int, int]


class SmallestFirst:
    """Sessions by the size of their first waiting request, after those that an operator put first."""

    def __init__(self) -> None:
        self._sessions: SortedDict[Place, Session] = SortedDict()
        self._places: dict[Session, Place] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session: Session) -> bool:
        return session in self._places

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def join(self, session: Session) -> None:
        if session not in self._places:
            place = self._places[session] = _place(session)
            self._sessions[place] = session

    def leave(self, session: Session) -> None:
        place = self._places.pop(session, None)
        if place is not None:
            del self._sessions[place]

    def head(self) -> Session | None:
        return next(iter(self), None)

    def first_new(self) -> Session | None:
        return next((session for session in self if session.state is not SessionState.PAUSED), None)

    def position(self, session: Session) -> int:
        return self._sessions.bisect_left(self._places.get(session, _place(session))) + 1


def _place(session: Session) -> Place:
    first = next(iter(session.held), None)
    size = 0 if first is None or session.is_preferred else first.arrival.body_bytes
    return (not session.is_preferred, size, session.seniority)


def build() -> SmallestFirst:
    return SmallestFirst()
