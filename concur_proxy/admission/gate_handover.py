"""Sessions that come from another gate or another process, and those that are handed over to one."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gate_scheduling import GateScheduling
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket


class GateHandover(GateScheduling):
    """Parts with sessions, and takes over those that were known elsewhere, with what they had there."""

    def part_with(self, session: Session, reason: str) -> None:
        """Hand a session over to another gate's `adopt`, with its held tickets and its seniority; an active one loses
        its place. The line moves with the next event. `ValueError` while requests are in flight: the engine has them.
        """
        if session.in_flight:
            raise ValueError(f"session {session.key!r} has requests in flight")
        if session.state is SessionState.ACTIVE:
            self._pause(session, "moved")
        self.counters["move", reason] += 1
        self._line.leave(session)
        self.sessions.remove(session)
        session.cache = None
        for ticket in session.held:
            self._holds.remove(ticket)

    def adopt(self, session: Session, *, now: float) -> list[Ticket]:
        """Take over a session that another gate parted with."""
        self.sessions.add(session)
        for ticket in session.held:
            self._holds.add(ticket)
        if session.held:
            self._wait(session)
        else:
            self.sessions.sleep(session)
        return self._pump(now)

    def restore(self, session: Session) -> None:
        """Know a session again that another process knew, as it stood: with its place if it is active, and idle."""
        self.sessions.add(session)
        if session.state is SessionState.ACTIVE:
            self._places.take(session)
            self._places.rest(session)
        self.sessions.sleep(session)

    def claim(self, name: str, arrival: Arrival, *, rank: int | None, now: float) -> tuple[Ticket, list[Ticket]]:
        """A request that another process released is in flight: its session holds a place, whatever the window says.
        Returns the request's ticket, and those of the session that waited here.
        """
        session = self.sessions.get(name) or self._newcomer(name, arrival, rank, now)
        ticket = Ticket(session=session, number=next(self._numbers), arrival=arrival, now=now)
        estimate = self.accounts.footprint_with(session, arrival.body_bytes)
        self._wake(session, now)
        self._set_footprint(session, estimate)
        self._decide(ticket, Outcome.ADMITTED, now)
        if session.state is SessionState.ACTIVE:
            return ticket, []
        decided = self._admit(session, "claim", now)
        if session.stopped:
            self._places.stop(session)
        return ticket, decided
