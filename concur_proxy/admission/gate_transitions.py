"""The changes that a gate makes to sessions and requests, and what goes with each of them."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gate_state import GateState
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket


class GateTransitions(GateState):
    """Carries out what others decide: nothing here asks whether there is room."""

    def _newcomer(self, name: str, arrival: Arrival, rank: int | None, now: float) -> Session:
        """A session that is not known yet; it is from its `_wake` on."""
        return Session(
            key=name, rank=self._numbers.take(rank), one_shot=arrival.key is None, now=now, model=arrival.model
        )

    def _wake(self, session: Session, now: float) -> None:
        """A request of the session has come: it is known from now on, and no longer idle."""
        if self.sessions.get(session.key) is None:
            self.sessions.add(session)
        elif session.is_dormant and session.is_between_steps:
            self._lease.observe_gap(now - session.idle_since)
        self.sessions.wake(session)
        self._places.wake(session)

    def _wait(self, session: Session) -> None:
        """The session has held requests and no place: it stands in the line, unless it was stopped by hand."""
        if not session.stopped:
            self._line.join(session)

    def _admit(self, session: Session, reason: str, now: float) -> list[Ticket]:
        """Give the session a place; returns what is thereby released, nothing if it was stopped by hand."""
        self._line.leave(session)
        session.has_lapsed = False
        self.counters["resume" if session.state is SessionState.PAUSED else "admit", reason] += 1
        self.sessions.move(session, SessionState.ACTIVE)
        self._places.take(session)
        self._limits.admitted(session.footprint)
        self._drain_rate.admitted(now)
        return [] if session.stopped else self._release_held(session, now)

    def _release_held(self, session: Session, now: float) -> list[Ticket]:
        """Admit every held request of the session, in order of arrival."""
        released = list(session.held)
        session.held.clear()
        for ticket in released:
            self._holds.remove(ticket)
        return [self._decide(ticket, Outcome.ADMITTED, now) for ticket in released]

    def _decide(self, ticket: Ticket, outcome: Outcome, now: float) -> Ticket:
        """The request is admitted, or refused, or given up."""
        ticket.outcome = outcome
        ticket.decided_at = now
        ticket.engine = self.engine
        if outcome is Outcome.ADMITTED:
            ticket.session.in_flight += 1
            self._in_flight += 1
            ticket.reading = self._readings
        else:
            self.counters["refuse", outcome.value] += 1
        return ticket

    def _pause(self, session: Session, reason: str) -> None:
        """Take an active session's place away; none of its requests is in flight."""
        self.counters["pause", reason] += 1
        self._places.give_up(session)
        session.has_lapsed = reason == "lease"
        self.sessions.move(session, SessionState.PAUSED)
        if session.held:
            self._wait(session)

    def _withdraw(self, ticket: Ticket, outcome: Outcome, now: float) -> Ticket:
        """A held request ends unadmitted; its session, if that was its only one, is idle from now on, or over."""
        session = ticket.session
        del session.held[ticket]
        self._holds.remove(ticket)
        self._decide(ticket, outcome, now)
        if not session.held:
            self._line.leave(session)
        if session.is_dormant:
            session.idle_since = now
            session.is_between_steps = False
            if session.ending:
                self._end(session, outcome.value)
            else:
                self.sessions.sleep(session)
        return ticket

    def _end(self, session: Session, reason: str) -> None:
        """Forget the session, and its place if it had one."""
        self.counters["end", reason] += 1
        if session.state is SessionState.ACTIVE:
            self._places.give_up(session)
        self.sessions.remove(session)
        session.enter(SessionState.ENDED)

    def _set_footprint(self, session: Session, footprint: float) -> None:
        """The session needs so many tokens of cache from now on."""
        if session.state is SessionState.ACTIVE:
            self._places.measure(session, footprint)
        session.footprint = footprint
