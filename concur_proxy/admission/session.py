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
