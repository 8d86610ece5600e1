"""Records what the callers of a gate know about their tickets, apart from the gate, and recounts a gate."""

import math
from collections.abc import Iterable

import pytest

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket


class Ledger:
    """All tickets, each in exactly one of `held`, `in_flight` and `closed`."""

    def __init__(self) -> None:
        self.held: set[Ticket] = set()
        self.in_flight: set[Ticket] = set()
        self.closed: set[Ticket] = set()

    def arrived(self, ticket: Ticket, decided: list[Ticket]) -> None:
        """Record the answer of `arrive`."""
        assert ticket not in self.held | self.in_flight | self.closed
        self.held.add(ticket)
        self.decided(decided)

    def decided(self, tickets: list[Ticket]) -> None:
        """Record the answer of any event: each of these tickets waited until now, and is decided."""
        for ticket in tickets:
            assert ticket in self.held, "a ticket was decided twice"
            self.held.remove(ticket)
            (self.in_flight if ticket.outcome is Outcome.ADMITTED else self.closed).add(ticket)
            assert not ticket.is_held
            assert ticket.decided_at is not None

    def finished(self, ticket: Ticket, decided: list[Ticket]) -> None:
        """Record the answer of `finish`, or of `abandon` for a ticket in flight."""
        self.in_flight.remove(ticket)
        self.closed.add(ticket)
        assert ticket.finished
        self.decided(decided)

    def abandoned(self, ticket: Ticket, decided: list[Ticket]) -> None:
        """Record the answer of `abandon` for a waiting ticket, which is not among the decided ones."""
        self.held.remove(ticket)
        self.closed.add(ticket)
        assert ticket.outcome is Outcome.CLIENT_GONE
        self.decided(decided)

    def check(self, gates: Iterable[SessionGate], *, share_prompts: bool = False) -> None:
        """Check that gates and ledger agree on every ticket, and that each gate is consistent. `share_prompts`: whether
        sessions may have parts of their prompts in common.
        """
        gates = list(gates)
        sessions = [session for gate in gates for session in gate.sessions]
        assert len({session.key for session in sessions}) == len(sessions), "a session is in two gates"
        assert {ticket for session in sessions for ticket in session.held} == self.held
        assert all(ticket.is_held for ticket in self.held)
        assert sum(session.in_flight for session in sessions) == len(self.in_flight)
        assert all(ticket.is_in_flight for ticket in self.in_flight)
        for gate in gates:
            recount(gate, share_prompts=share_prompts)


def recount(gate: SessionGate, *, share_prompts: bool = False) -> None:
    """Check that the gate's running sums are those of its sessions, and that each session is where its state says."""
    sessions = list(gate.sessions)
    states = {state: [session for session in sessions if session.state is state] for state in SessionState}
    active = states[SessionState.ACTIVE]
    snapshot = gate.snapshot()
    assert not states[SessionState.ENDED]
    assert (snapshot.active, snapshot.paused, snapshot.queued) == (
        len(active),
        len(states[SessionState.PAUSED]),
        len(states[SessionState.QUEUED]),
    )
    assert snapshot.held == sum(len(session.held) for session in sessions)
    assert snapshot.in_flight == sum(session.in_flight for session in sessions)
    assert snapshot.waiting == len(waiting(gate))
    footprints = sum(session.footprint for session in active)
    if share_prompts:
        assert snapshot.footprint_tokens <= footprints + 1e-3
    else:
        assert snapshot.footprint_tokens == pytest.approx(footprints, abs=1e-3)
    for session in sessions:
        assert session.in_flight == 0 or session.state is SessionState.ACTIVE
        assert not session.pausing or (session.state is SessionState.ACTIVE and session.in_flight)
        if session.state is SessionState.ACTIVE and not session.pausing:
            assert not session.held, "an active session waits"


def waiting(gate: SessionGate) -> list[Session]:
    """The sessions that wait for a place, in the order in which they must get one, by a plain sort."""
    line = [
        session
        for session in gate.sessions
        if session.held and not session.stopped and session.state is not SessionState.ACTIVE
    ]
    return sorted(line, key=precedence)


def precedence(session: Session) -> tuple[bool, bool, int]:
    """The order of the queue: sessions that an operator moved to the front, then resuming ones, then new ones, each by
    seniority. A session that lost its place because its lease ended is among the new ones, by the arrival of its
    request.
    """
    if session.is_preferred:
        return (False, False, session.seniority)
    if session.has_lapsed and session.held:
        return (True, True, next(iter(session.held)).number)
    return (True, session.state is SessionState.QUEUED, session.seniority)


def places(window: float) -> float:
    """The number of whole sessions that fit into the window."""
    return window if math.isinf(window) else math.floor(window)
