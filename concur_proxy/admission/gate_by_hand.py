"""What a person does to a gate and to its sessions."""

from dataclasses import replace

from concur_proxy.admission.gate_scheduling import GateScheduling
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket


class GateByHand(GateScheduling):
    """Stops sessions, lets them go on, puts them first, and sets aside or restores the window's force."""

    def stop(self, session: Session, *, now: float) -> list[Ticket]:
        """Pause the session at its step boundary, and give it no place until `let_go_on`."""
        if session.stopped:
            return []
        self._line.leave(session)
        if session.state is SessionState.ACTIVE and session.in_flight:
            self._places.stop(session)
        session.stopped = True
        if session.state is SessionState.ACTIVE and not session.in_flight:
            self._pause(session, "by_hand")
        self.sessions.note(session)
        return self._pump(now)

    def let_go_on(self, session: Session, *, now: float) -> list[Ticket]:
        """Treat a session that was stopped as any other again."""
        if not session.stopped:
            return []
        decided: list[Ticket] = []
        if session.pausing:
            self._places.let_go_on(session)
            decided += self._release_held(session, now)
        session.stopped = False
        if session.held:
            self._wait(session)
        self.sessions.note(session)
        if self._options.enforcing:
            self._pause_excess(now)
        return decided + self._pump(now)

    def prefer(self, session: Session, *, now: float) -> list[Ticket]:
        """Put the session before all others: the next to get a place, and the last to lose one."""
        is_waiting = session in self._line
        self._line.leave(session)
        rank = self._numbers.take_least()
        if session.state is SessionState.ACTIVE:
            self._places.rank(session, rank)
        session.rank = rank
        if is_waiting:
            self._line.join(session)
        self.sessions.note(session)
        return self._pump(now)

    def enforce(self, *, enforcing: bool, now: float) -> list[Ticket]:
        """From now on hold whom the window holds, or only count them."""
        self._options = replace(self._options, enforcing=enforcing)
        if enforcing:
            self._pause_excess(now)
        return self._pump(now)
