"""The sessions of one gate by key, counted by state and by tenant."""

from collections import Counter, OrderedDict
from collections.abc import Iterator

from concur_proxy.admission.session import Session, SessionState


class SessionTable:
    """All known sessions by key, counted by state. Dormant sessions (without any request) are ordered by idle time.
    Those of them without a place are ordered by when they lost it, or became dormant.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._states: Counter[SessionState] = Counter()
        self._active: Counter[str] = Counter()
        self.freed: set[str] = set()
        """Tenants that have lost a place since somebody emptied this set."""
        self._dormant: OrderedDict[Session, None] = OrderedDict()
        self._placeless: OrderedDict[Session, None] = OrderedDict()
        self._homes: dict[str, str] = {}
        self._name = ""
        self._changes: set[str] | None = None

    def list_in(self, homes: dict[str, str], name: str) -> None:
        """Also keep the keys of this table in `homes`, with this name as the value."""
        self._homes, self._name = homes, name

    def note_changes(self, changes: set[str]) -> None:
        """From now on put the keys of sessions that change into `changes`."""
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

    def active_of(self, tenant: str) -> int:
        """How many sessions of the tenant are active."""
        return self._active[tenant]

    @property
    def active_by_tenant(self) -> dict[str, int]:
        """How many sessions of each tenant are active."""
        return self._active

    def add(self, session: Session) -> None:
        """Add the session."""
        self._count_place(session, None, session.state)
        self._sessions[session.key] = session
        self._homes[session.key] = self._name
        self._states[session.state] += 1
        self.note(session)

    def remove(self, session: Session) -> None:
        """Remove the session."""
        self._count_place(session, session.state, None)
        del self._sessions[session.key], self._homes[session.key]
        self._states[session.state] -= 1
        self.wake(session)
        self.note(session)

    def move(self, session: Session, state: SessionState) -> None:
        """Change the session's state. An illegal change raises `ValueError` and counts nothing."""
        before = session.state
        session.enter(state)
        self._count_place(session, before, state)
        self._states[before] -= 1
        self._states[state] += 1
        if session in self._dormant:
            self._sort(session)
        self.note(session)

    def sleep(self, session: Session) -> None:
        """Note that the session has had no request since `idle_since`."""
        self._dormant[session] = None
        self._sort(session)
        self.note(session)

    def wake(self, session: Session) -> None:
        """Note that the session has a request again."""
        self._dormant.pop(session, None)
        self._placeless.pop(session, None)

    def longest_dormant(self) -> Session | None:
        """The session that has been dormant for longest, or None."""
        return next(iter(self._dormant), None)

    def longest_placeless(self) -> Session | None:
        """The dormant session that has been without a place for longest, or None."""
        return next(iter(self._placeless), None)

    def note(self, session: Session) -> None:
        """Note that the session has changed in a way that another gateway must know to continue it."""
        if self._changes is not None:
            self._changes.add(session.key)

    def _count_place(self, session: Session, before: SessionState | None, after: SessionState | None) -> None:
        """Count the places of the session's tenant."""
        tenant = session.tenant
        if after is SessionState.ACTIVE:
            self._active[tenant] += 1
        if before is SessionState.ACTIVE:
            self._active[tenant] -= 1
            self.freed.add(tenant)
            if not self._active[tenant]:
                del self._active[tenant]

    def _sort(self, session: Session) -> None:
        """The dormant session got a place or lost it."""
        self._placeless.pop(session, None)
        if session.state is not SessionState.ACTIVE:
            self._placeless[session] = None
