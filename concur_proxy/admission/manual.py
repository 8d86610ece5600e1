"""What an operator does to a gate and to its sessions."""

from enum import Enum

from concur_proxy.admission.gate_state import GateState
from concur_proxy.admission.scheduler import Scheduler
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket


class Steering(Enum):
    """What an operator can do to a session. The value is its name in the admin API, in messages and in the log."""

    PAUSE = "pause"
    """Take the session's place away at its next step boundary, and give it none until an operator resumes it."""
    RESUME = "resume"
    """End the pause: treat the session like any other session again."""
    PRIORITISE = "prioritise"
    """Put the session before all others, in the queue and among the places."""
    END = "end"
    """End the session at once, or with its last answer."""


class ManualControl:
    """Pauses, resumes and prioritises sessions of one gate, and switches the window on and off."""

    def __init__(self, state: GateState, scheduler: Scheduler) -> None:
        self._state = state
        self._scheduler = scheduler

    def steer(self, session: Session, steering: Steering, now: float) -> list[Ticket]:
        """Apply the operator's action to the session. `END` is not handled here, because it is the same as the end that
        a client reports.
        """
        if steering is Steering.PAUSE:
            return self._pause(session, now)
        if steering is Steering.RESUME:
            return self._resume(session, now)
        return self._prioritise(session, now)

    def enforce(self, *, enforcing: bool, now: float) -> list[Ticket]:
        """Make sessions wait for the window, or only count those that would wait."""
        self._state.is_enforcing = enforcing
        if enforcing:
            self._scheduler.pause_excess(now)
        return self._scheduler.fill(now)

    def _pause(self, session: Session, now: float) -> list[Ticket]:
        if session.stopped:
            return []
        self._state.order.leave(session)
        self._state.apart.leave(session)
        if session.state is SessionState.ACTIVE and session.in_flight:
            self._state.places.stop(session)
        session.stopped = True
        if session.state is SessionState.ACTIVE and not session.in_flight:
            self._scheduler.pause(session, "by_hand")
        self._state.sessions.note(session)
        return self._scheduler.fill(now)

    def _resume(self, session: Session, now: float) -> list[Ticket]:
        if not session.stopped:
            return []
        decided: list[Ticket] = []
        if session.pausing:
            self._state.places.let_go_on(session)
            decided += self._scheduler.release(session, now)
        session.stopped = False
        if session.held:
            self._scheduler.wait(session)
        self._state.sessions.note(session)
        if self._state.is_enforcing:
            self._scheduler.pause_excess(now)
        return decided + self._scheduler.fill(now)

    def _prioritise(self, session: Session, now: float) -> list[Ticket]:
        """Make the session the next to get a place and the last to lose one."""
        order, apart, seniority = self._state.order, self._state.apart, self._state.numbers.take_least()
        is_waiting = session in order or session in apart
        order.leave(session)
        apart.leave(session)
        if session.state is SessionState.ACTIVE:
            self._state.places.reorder(session, seniority)
        session.seniority = seniority
        if is_waiting:
            order.join(session)
        self._state.sessions.note(session)
        return self._scheduler.fill(now)
