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
