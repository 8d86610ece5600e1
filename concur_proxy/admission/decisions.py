"""What it takes to decide a request, and to count what it was served."""

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.gap import Gap
from concur_proxy.admission.gate_state import GateState
from concur_proxy.admission.orders.fair import weighted
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.returning import ReturningWork
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket


class Decisions:
    """Carries out what was decided about the requests of one gate."""

    def __init__(self, state: GateState) -> None:
        self._state = state
        self._holds = state.holds
        self._counters = state.counters
        self._returning = ReturningWork()

    def release(self, session: Session, now: float) -> list[Ticket]:
        """Admit every waiting request of the session, in order of arrival."""
        released = list(session.held)
        session.held.clear()
        for ticket in released:
            self._holds.remove(ticket)
        return [self.decide(ticket, Outcome.ADMITTED, now) for ticket in released]

    def decide(self, ticket: Ticket, outcome: Outcome, now: float) -> Ticket:
        """Admit or refuse a request, or note that its client has left."""
        ticket.outcome = outcome
        ticket.decided_at = now
        ticket.engine = self._state.engine
        if outcome is Outcome.ADMITTED:
            ticket.was_alone = not self._state.in_flight
            ticket.session.in_flight += 1
            self._state.in_flight += 1
            ticket.reading = self._state.readings
            self._returning.admitted(ticket.member.footprint, odds=self._odds_of(ticket.session))
        else:
            self._counters["refuse", outcome.value] += 1
        return ticket

    def _odds_of(self, session: Session) -> float:
        """The probability that the session is one that comes back."""
        if session.one_shot:
            return 0.0
        return 1.0 if session.turns else self._state.lease.return_odds(Gap.FIRST)

    def serve(self, ticket: Ticket, answered: Answered) -> None:
        """Count what a request was served. Without the engine's counts, the prompt counts as estimated."""
        if answered.refused:
            return
        prompt = answered.prompt_tokens
        if prompt is None:
            began = answered.first_token_s is not None or answered.client_gone
            prompt = int(ticket.member.footprint) if began else 0
        cached = ticket.promised_tokens if answered.cached_tokens is None else answered.cached_tokens
        cached = min(cached, prompt)
        generated = answered.completion_tokens or 0
        cost = weighted(computed=prompt - cached, cached=cached, generated=generated)
        self._state.tenants.add(ticket.session.tenant, prompt + generated, cost)
        if self._state.sharing is not None:
            self._state.sharing.serve(ticket.session, computed=prompt - cached, cached=cached, generated=generated)
