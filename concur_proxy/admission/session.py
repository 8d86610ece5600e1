"""A session is one agent's run. It passes through these states:

    arrives ──► QUEUED ──admit──► ACTIVE ──────────end──────────► ENDED
                   │                │ ▲                             ▲
                   │          pause │ │ resume                      │
                   │                ▼ │                             │
                   │              PAUSED ──────end, forgotten───────┤
                   └────────────────given up────────────────────────┘

A session holds a place in the window exactly while it is ACTIVE. It pauses only at a step boundary, between two turns.
If it is to pause while a request is in flight, it stays ACTIVE with `pausing` set until its last answer has ended. A
session that an operator paused (`stopped`) is neither admitted nor resumed until an operator resumes it.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from concur_proxy.recognition.member import Member

if TYPE_CHECKING:
    from concur_proxy.admission.ticket import Ticket


class SessionState(Enum):
    """The value is the metric label and the word in the JSON."""

    QUEUED = "queued"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"

    __hash__ = object.__hash__  # Enum's is a function in Python, and each member exists once


TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.QUEUED: frozenset({SessionState.ACTIVE, SessionState.ENDED}),
    SessionState.ACTIVE: frozenset({SessionState.PAUSED, SessionState.ENDED}),
    SessionState.PAUSED: frozenset({SessionState.ACTIVE, SessionState.ENDED}),
    SessionState.ENDED: frozenset(),
}
"""Every legal change of state. Any other one is a defect in the gate."""


class Session:
    """The mutable record of one session. Only its gate writes to it."""

    __slots__ = (
        "ending",
        "footprint",
        "gap",
        "grows",
        "has_lapsed",
        "held",
        "idle_since",
        "in_flight",
        "is_between_steps",
        "is_let_through",
        "key",
        "members",
        "model",
        "one_shot",
        "pausing",
        "priority",
        "seniority",
        "state",
        "stopped",
        "tenant",
        "turns",
        "weight",
    )

    def __init__(
        self,
        *,
        key: str,
        seniority: int,
        one_shot: bool,
        now: float,
        model: str | None = None,
        tenant: str = "",
        weight: float = 1.0,
        priority: int = 0,
    ) -> None:
        self.key = key
        self.tenant = tenant
        """The name of the tenant that the session belongs to. Empty: there is only one."""
        self.weight = weight
        """The tenant's share in comparison with that of other tenants."""
        self.priority = priority
        """The priority class; 0 is the normal one."""
        self.model = model
        """The model that the session's requests name; None: any model."""
        self.seniority = seniority
        """Order of first arrival. The lowest is admitted and resumed first, and paused last. Below 0: an operator put
        the session first.
        """
        self.one_shot = one_shot
        """The session is a single request without a key. It ends with its answer."""
        self.state = SessionState.QUEUED
        self.held: dict[Ticket, None] = {}
        """Its waiting requests, in order of arrival."""
        self.in_flight = 0
        """Its requests at the engine."""
        self.pausing = False
        """It pauses as soon as nothing is in flight."""
        self.is_let_through = False
        """Its place is for one answer, because it has waited for as long as the goal allows."""
        self.stopped = False
        """An operator paused it: it gets no place until an operator resumes it."""
        self.ending = one_shot
        """It ends as soon as no request waits or is in flight."""
        self.has_lapsed = False
        """Whether it lost its place because its lease ended while others waited."""
        self.members: dict[str, Member] = {}
        """The conversations of its family by name: the main agent and its sub-agents."""
        self.footprint = 0.0
        """Tokens of KV cache that the session needs at the engine: the sum over its live members. What they share with
        each other and with other sessions counts in each of them.
        """
        self.grows = 0.0 if one_shot else 1.0
        """How probably the session comes back with a longer context, 0 to 1."""
        self.turns = 0
        """Number of its requests that have ended, successfully or not."""
        self.idle_since = now
        """When its last request ended, or the session arrived."""
        self.gap: int | None = None
        """The lease's number for the time since the last answer, while the session is idle after it."""
        self.is_between_steps = False
        """Whether an answer ended at `idle_since`. The time since then is a tool call, and not a client's pause before
        a retry.
        """

    @property
    def is_dormant(self) -> bool:
        """True while none of its requests waits or is in flight."""
        return not self.held and self.in_flight == 0

    @property
    def is_beyond(self) -> bool:
        """Whether a prompt of the session is probably longer than the engine accepts."""
        return any(member.is_beyond for member in self.members.values() if member.busy)

    @property
    def is_preferred(self) -> bool:
        """Whether an operator put it before all others."""
        return self.seniority < 0

    def enter(self, state: SessionState) -> None:
        """Change the state along `TRANSITIONS`. Anything else raises `ValueError` and changes nothing."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"session {self.key!r} cannot go from {self.state.value} to {state.value}")
        self.state = state


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
        self._given_up: OrderedDict[Session, None] = OrderedDict()
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

    def sleep(self, session: Session, *, has_given_up: bool = False) -> None:
        """Note that the session has had no request since `idle_since`. `has_given_up`: it was never served, and its
        client has left.
        """
        self._dormant[session] = None
        if has_given_up:
            self._given_up[session] = None
        self._sort(session)
        self.note(session)

    def wake(self, session: Session) -> None:
        """Note that the session has a request again."""
        self._dormant.pop(session, None)
        self._placeless.pop(session, None)
        self._given_up.pop(session, None)

    def longest_dormant(self) -> Session | None:
        """The session that has been dormant for longest, or None."""
        return next(iter(self._dormant), None)

    def longest_given_up(self) -> Session | None:
        """The session that has given up its wait for longest, or None."""
        return next(iter(self._given_up), None)

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


class Numbers:
    """Gives rising numbers, each once, for seniority and for the order of arrivals. Numbers that another gateway gave
    can be taken over.
    """

    def __init__(self, *, after: int = 0) -> None:
        """`after`: the largest number that another gateway has given before, as far as is known."""
        self._first = self._last = after
        self._taken: set[int] = set()
        self._least = 0

    def __next__(self) -> int:
        self._last += 1
        return self._last

    def take_least(self) -> int:
        """A number below 0 and below all others."""
        self._least -= 1
        self._taken.add(self._least)
        return self._least

    def take(self, number: int | None) -> int:
        """Take over a number that another gateway gave. Returns a new number if that one is taken or None."""
        if number is not None and number < 0:
            if number in self._taken:
                return self.take_least()
            self._taken.add(number)
            self._least = min(self._least, number)
            return number
        if number is not None and number > self._last:
            self._last = number
            return number
        if number is None or number > self._first or number in self._taken:
            return next(self)
        self._taken.add(number)
        return number
