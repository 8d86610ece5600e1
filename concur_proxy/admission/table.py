"""Every session that is known, with or without a place."""

from collections import Counter, OrderedDict
from collections.abc import Iterator

from concur_proxy.admission.session import Session, SessionState


class SessionTable:
    """Sessions by key, counted by state; those without any request in the order in which they fell silent."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._states: Counter[SessionState] = Counter()
        self._dormant: OrderedDict[Session, None] = OrderedDict()
        self._homes: dict[str, str] = {}
        self._name = ""
        self._changes: set[str] | None = None

    def list_in(self, homes: dict[str, str], name: str) -> None:
        """Keep the keys of this table in `homes` as well, with its name."""
        self._homes, self._name = homes, name

    def note_changes(self, changes: set[str]) -> None:
        """Put the keys of sessions that change into `changes`, from now on."""
        self._changes = changes

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def get(self, key: str) -> Session | None:
        """The session of this key, or None."""
        return self._sessions.get(key)

    def count(self, state: SessionState) -> int:
        """How many sessions are in `state`."""
        return self._states[state]

    def add(self, session: Session) -> None:
        """Know the session from now on."""
        self._sessions[session.key] = session
        self._homes[session.key] = self._name
        self._states[session.state] += 1
        self.note(session)

    def remove(self, session: Session) -> None:
        """Know the session no more."""
        del self._sessions[session.key], self._homes[session.key]
        self._states[session.state] -= 1
        self._dormant.pop(session, None)
        self.note(session)

    def move(self, session: Session, state: SessionState) -> None:
        """Change the session's state; an illegal change raises `ValueError` and counts nothing."""
        before = session.state
        session.enter(state)
        self._states[before] -= 1
        self._states[state] += 1
        self.note(session)

    def sleep(self, session: Session) -> None:
        """The session has no request left; `idle_since` says since when."""
        self._dormant[session] = None
        self.note(session)

    def wake(self, session: Session) -> None:
        """The session is back with a request."""
        self._dormant.pop(session, None)

    def longest_dormant(self) -> Session | None:
        """The session silent for longest, or None."""
        return next(iter(self._dormant), None)

    def note(self, session: Session) -> None:
        """Something has changed of the session that another process must know to go on with it."""
        if self._changes is not None:
            self._changes.add(session.key)
