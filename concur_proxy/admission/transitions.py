"""All changes of sessions: what it takes to admit, pause or end one, and what its requests mean for it."""

from abc import ABC, abstractmethod

from concur_proxy.admission import family
from concur_proxy.admission.absent import Absent
from concur_proxy.admission.admission_rate import AdmissionRate
from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.decisions import Decisions
from concur_proxy.admission.gap import Gap
from concur_proxy.admission.gate_state import GateState
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.whereabouts import Whereabouts

ENDS_STINT = ("lease", "client_gone", "refused")
"""Reasons for a pause after which the session did not need its place any longer."""


class Transitions(Decisions, ABC):
    """Carries out what was decided about the sessions of one gate. The subclass decides what depends on the room."""

    def __init__(self, state: GateState) -> None:
        super().__init__(state)
        self._sessions = state.sessions
        self._order = state.order
        self._apart = state.apart
        self._places = state.places
        self._resting = state.resting
        self._gaps = state.gaps
        self._limits = state.limits
        self.admissions = AdmissionRate()
        self.absent = Absent()
        self.is_overfull = False
        """Whether sessions that were admitted while the gate gave way have still to pause."""
        self._leaving: set[Session] | None = None
        """These sessions. None until control begins again."""

    @abstractmethod
    def _must_wait(self, session: Session, now: float) -> bool:
        """Whether a session with a place waits again, because it needs more cache than there is room for."""

    @abstractmethod
    def _must_yield(self, session: Session) -> bool:
        """Whether the session should give its place to the next session, whose tenant has less than its share."""

    def newcomer(self, where: Whereabouts, arrival: Arrival, seniority: int | None, now: float) -> Session:
        """Make a session that is not known yet. `wake` adds it."""
        numbers, name, one_shot = self._state.numbers, where.session, where.is_one_shot
        kept = None if one_shot else numbers.turns.find(name, now)
        seniority = numbers.take(seniority) if kept is None else kept
        self._state.tenants.meet(arrival.tenant, arrival.weight)
        return Session(
            key=name,
            seniority=seniority,
            one_shot=one_shot,
            now=now,
            model=arrival.model,
            tenant=arrival.tenant,
            weight=arrival.weight,
            priority=arrival.priority,
        )

    def begin(self, session: Session, member: Member, arrival: Arrival, now: float) -> int:
        """Account for a new request of a member. Returns how many tokens of its prompt should be in the engine's cache
        if the session has kept its place.

        An agent whose cache was not kept while its family worked needs room again. If it does not fit, and no other
        request of the session is in flight, the session waits for a place like one whose lease has ended.
        """
        needs_room = bool(member.turns) and not member.is_live
        between = [other for other in session.members.values() if other.turn_gap is not None and other.is_live]
        for forgotten in family.begin(session, member):
            self._forget(forgotten, now)
        for other in between:
            if not other.is_live:
                self._gaps.end_turn(other, now, came_back=False)
        self._state.tree.add(member)
        kept_tokens = self._state.accounts.expect(member, arrival)
        member.busy += 1
        self._gaps.end_of(member, now, came_back=True)
        for ancestor in family.ancestors(session, member) if member.name else ():
            if not ancestor.busy and ancestor.gap is None:
                self._gaps.wait_for_sub_agents(session, ancestor, now)
        if session.state is not SessionState.ACTIVE:
            family.release_idle(session)
        self.measure(session)
        if needs_room and self._must_wait(session, now):
            self.pause(session, "lease")
        return kept_tokens

    def wake(self, session: Session, now: float) -> None:
        """Note that a request of the session has arrived."""
        if self._sessions.get(session.key) is None:
            self._sessions.add(session)
            if not session.one_shot:
                self._state.numbers.turns.drop(session.key, now)
        self._gaps.end(session, now, came_back=True)
        self._sessions.wake(session)
        self.absent.come_back(session.seniority)
        self._resting.wake(session)

    def wait(self, session: Session) -> None:
        """The session has waiting requests and no place: it joins the queue, unless an operator paused it."""
        if not session.stopped and session not in self._apart:
            self._order.join(session)

    def admit(self, session: Session, reason: str, now: float) -> list[Ticket]:
        """Give the session a place. Returns the requests that this released: none if an operator paused it."""
        self._order.leave(session)
        self._apart.leave(session)
        session.has_lapsed = session.is_let_through = False
        is_newcomer = session.state is not SessionState.PAUSED
        self._counters["admit" if is_newcomer else "resume", reason] += 1
        self._sessions.move(session, SessionState.ACTIVE)
        lease = self._state.lease
        if not session.turns and not session.one_shot and not lease.duration_s(Gap.FIRST):
            session.grows = lease.return_odds(Gap.FIRST)
        added = self._places.addition(session)
        self._places.take(session)
        self._limits.admitted(added)
        if self._order or any(ticket.arrived_at < now for ticket in session.held):
            self.admissions.admitted(now, is_newcomer=is_newcomer)
        else:
            self.admissions.queue_emptied()  # there was room for it at once
        return [] if session.stopped else self.release(session, now)

    def pause(self, session: Session, reason: str) -> None:
        """Take an active session's place away. None of its requests may be in flight."""
        self._counters["pause", reason] += 1
        self._places.give_up(session, is_over=reason in ENDS_STINT)
        self._resting.drop(session)
        session.has_lapsed = reason == "lease"
        self._sessions.move(session, SessionState.PAUSED)
        if session.held:
            family.release_idle(session)
            self.measure(session)
            self.wait(session)

    def withdraw(self, ticket: Ticket, outcome: Outcome, now: float) -> Ticket:
        """End the wait of a request without admitting it. If that was its session's only request, the session is idle
        from now on, or ends. It also ends if it was never served and its client has left; it keeps its turn then.
        """
        session = ticket.session
        del session.held[ticket]
        self._holds.remove(ticket)
        ticket.member.busy -= 1
        self.decide(ticket, outcome, now)
        if not session.held:
            self._order.leave(session)
            self._apart.leave(session)
            if outcome is Outcome.HOLD_TIMEOUT:
                self.absent.leave(session.seniority, now)
        if session.is_dormant:
            session.idle_since = now
            session.is_between_steps = False
            may_return = outcome is Outcome.HOLD_TIMEOUT and ticket.arrival.fingerprint is not None
            is_new = session.state is SessionState.QUEUED and not session.stopped
            if session.ending and not may_return:
                self.end(session, outcome.value, now)
            elif is_new and outcome is Outcome.CLIENT_GONE:
                self._let_go(session, now)
            else:
                self._sessions.sleep(session)
        return ticket

    def _let_go(self, session: Session, now: float) -> None:
        """Forget a session that was never served and whose client has left. It keeps its turn for a while."""
        self._state.numbers.turns.keep(session.key, session.seniority, now)
        self.end(session, Outcome.CLIENT_GONE.value, now)

    def step_boundary(
        self, session: Session, now: float, *, loss: str | None = None, is_unserved: bool = False
    ) -> None:
        """The session's last request in flight has ended: the session ends, pauses, or rests between turns. `loss`:
        why it loses its place whatever the window says, `client_gone` or `refused`. `is_unserved`: its only client has
        left before any token came, as most of a flood do when they leave together and are admitted one by one. The
        session ends then, and keeps its turn.
        """
        session.idle_since = now
        session.is_between_steps = loss is None
        if session.ending and not session.held:
            self.end(session, "answered" if session.one_shot else "said", now)
            return
        if loss == "refused" and not session.turns and not session.held and not session.stopped:
            self.end(session, loss, now)
            return
        if is_unserved and not session.held and not session.stopped:
            self._let_go(session, now)
            return
        if session.stopped:
            self.pause(session, "by_hand")
        elif session.pausing or loss is not None:
            self.pause(session, loss if loss and not session.pausing else "window")
        elif self._must_yield(session):
            self.pause(session, "share")
        else:
            self._resting.rest(session)
        if session.is_dormant:
            self._sessions.sleep(session)
            if loss is None:
                self._gaps.begin(session, now)

    def end(self, session: Session, reason: str, now: float) -> None:
        """Forget the session, and take its place away if it has one."""
        self._gaps.end(session, now, came_back=False)
        self._counters["end", reason] += 1
        if session.state is SessionState.ACTIVE:
            self._places.give_up(session)
            self._resting.drop(session)
        for member in session.members.values():
            self._forget(member, now)
        self._sessions.remove(session)
        session.enter(SessionState.ENDED)

    def _forget(self, member: Member, now: float) -> None:
        self._gaps.end_of(member, now, came_back=False)
        self._state.tree.drop(member)

    def measure(self, session: Session) -> None:
        """Count the footprints of the session's members as they are now."""
        session.footprint = family.footprint(session)
        if session.state is SessionState.ACTIVE:
            self._places.measure(session)
