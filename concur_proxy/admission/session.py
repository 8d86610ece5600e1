"""One agent's run, and the states that it passes through.

    arrives ──► QUEUED ──admit──► ACTIVE ──────────end──────────► ENDED
                   │                │ ▲                             ▲
                   │          pause │ │ resume                      │
                   │                ▼ │                             │
                   │              PAUSED ──────end, forgotten───────┤
                   └────────────────given up────────────────────────┘

A session holds a place in the window exactly while it is ACTIVE. It pauses only at a step boundary: one that is to
pause while a request is in flight stays ACTIVE, with `pausing` set, until the last answer has ended. One that was
stopped by hand is neither admitted nor resumed until it is let go on by hand.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concur_proxy.admission.ticket import Ticket


class SessionState(Enum):
    """Where a session stands; the value is the metric label."""

    QUEUED = "queued"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.QUEUED: frozenset({SessionState.ACTIVE, SessionState.ENDED}),
    SessionState.ACTIVE: frozenset({SessionState.PAUSED, SessionState.ENDED}),
    SessionState.PAUSED: frozenset({SessionState.ACTIVE, SessionState.ENDED}),
    SessionState.ENDED: frozenset(),
}
"""Every legal change of state; all else is a defect in the gate."""


class Session:
    """The mutable record of one session; only its gate writes to it."""

    __slots__ = (
        "cache",
        "context_tokens",
        "ending",
        "footprint",
        "has_lapsed",
        "held",
        "idle_since",
        "in_flight",
        "is_between_steps",
        "key",
        "model",
        "one_shot",
        "pausing",
        "rank",
        "round_tokens",
        "state",
        "stopped",
        "turns",
    )

    def __init__(self, *, key: str, rank: int, one_shot: bool, now: float, model: str | None = None) -> None:
        self.key = key
        self.model = model
        """What its requests ask for, where they name it: it can be served by engines that have it."""
        self.rank = rank
        """Seniority: order of first arrival. Lower ranks are admitted and resumed first, and paused last. Below
        0: put before all others by hand.
        """
        self.one_shot = one_shot
        """A request without a session key: it ends with its only answer."""
        self.state = SessionState.QUEUED
        self.held: dict[Ticket, None] = {}
        """Requests that wait, in order of arrival."""
        self.in_flight = 0
        """Requests released and not yet finished; the session is idle when the last one ends."""
        self.pausing = False
        """To pause as soon as nothing is in flight."""
        self.stopped = False
        """Paused by hand: it gets no place until it is let go on by hand."""
        self.ending = one_shot
        """To end as soon as nothing is held or in flight."""
        self.has_lapsed = False
        """Whether it lost its place by silence: its lease ran out while others waited."""
        self.footprint = 0.0
        """Tokens of context that the engine keeps, or will have to keep, for this session."""
        self.context_tokens: int | None = None
        """Prompt and answer of the last turn as the engine counted them; None until it has."""
        self.cache: int | None = None
        """In which of its gate's caches, one after the other, that context is; None: in none."""
        self.round_tokens = 0
        """The largest of its contexts since it was last idle, of requests that were at the engine together."""
        self.turns = 0
        """Requests of it that have been answered, well or badly."""
        self.idle_since = now
        """When the last request ended, or the session arrived."""
        self.is_between_steps = False
        """Whether the silence since then follows an answer: the gap of a tool call, not a client's retry."""

    @property
    def is_dormant(self) -> bool:
        """True while no request of the session is held or in flight."""
        return not self.held and self.in_flight == 0

    @property
    def is_preferred(self) -> bool:
        """Whether it was put before all others by hand."""
        return self.rank < 0

    def enter(self, state: SessionState) -> None:
        """Change state along `TRANSITIONS`; anything else raises `ValueError` and changes nothing."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"session {self.key!r} cannot go from {self.state.value} to {state.value}")
        self.state = state


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


class Numbers:
    """Rising numbers, each given once, among which those that another process gave have their place."""

    def __init__(self, *, after: int = 0) -> None:
        """`after`: larger than any number that was given elsewhere before, as far as that can be known."""
        self._first = self._last = after
        self._taken: set[int] = set()
        self._least = 0

    def __next__(self) -> int:
        self._last += 1
        return self._last

    def take_least(self) -> int:
        """A number below 0 and below every other one."""
        self._least -= 1
        return self._least

    def take(self, number: int | None) -> int:
        """A number that was given elsewhere; another one if it is taken, or there is none."""
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
