"""Who gets a place and who gives one up: the window, the engine's room, and the leases of idle sessions.

`Scheduler` decides. What it takes to carry a decision out is in `Transitions`.
"""

import math

from concur_proxy.admission import family
from concur_proxy.admission.apart import OUTSIZED
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.admission.transitions import Transitions


class Scheduler(Transitions):
    """Moves the sessions of one gate between the queue and the places."""

    def has_room_for(self, tokens: float) -> bool:
        """Whether a session with this footprint would be admitted now if it were next."""
        if not self._state.is_enforcing:
            return True
        head = self._order.head()
        if head is not None and head.footprint <= tokens:
            return False  # there was no room for the first session of the queue either
        return self._reason_to_admit(tokens) is not None

    def make_room(self, tokens: float, *, now: float) -> bool:
        """Whether a session with this footprint would be admitted if it were next.

        This takes back places whose lease has ended, as many as needed. So call it only when a session waits.
        """
        return self._make_room(tokens, now) is not None or not self._state.is_enforcing

    def fill(self, now: float) -> list[Ticket]:
        """Give places while there is room: first to sessions that were about to pause, then to the queue."""
        if self._order.nobody_waits() and not (self._apart or self._places.pausing or self.absent):
            self.admissions.queue_emptied()
            return []
        decided: list[Ticket] = []
        if self._order or self._apart:
            self._state.lease.review(now=now, is_engine_idle=not self._state.in_flight)
        while self._places.pausing and self._limits.allow_reprieve(in_flight=self._state.in_flight):
            decided += self.release(self._places.reprieve(), now)
        decided += self._admit_apart(now)
        while (session := self._order.head()) is not None:
            reason = self._reason_to_admit_waiting(session, now)
            if reason is None and self._sets_apart and self._is_outsized(session):
                self._order.leave(session)
                self._apart.join(session, now)
                decided += self._admit_apart(now)
                continue
            if reason is None and self._state.is_enforcing:
                break
            if reason is None:
                self._counters["would_hold", "window"] += 1
            self._apart.overtake()
            decided += self.admit(session, reason or "window", now)
        decided += self._admit_apart(now)
        decided += self._let_through(now)
        if self._reclaim_for_tenant(now):
            return decided + self.fill(now)
        if self._order or self.absent.count(now):
            self.admissions.queue_stands(now)
        else:
            self.admissions.queue_emptied()
        return decided

    def _admit_apart(self, now: float) -> list[Ticket]:
        """Give places to sessions that were set apart: to those that fit by now, and to one that is due."""
        decided: list[Ticket] = []
        while (session := self._apart.first()) is not None:
            if not self._sets_apart or not self._order.may_have_place(session):
                self._apart.leave(session)
                self._order.join(session)
                continue
            reason = self._reason_to_admit_waiting(session, now)
            if reason is None and not self._apart.may_run_alone(session, now):
                break
            decided += self.admit(session, reason or "alone", now)
            if reason is None:
                self._apart.run_alone(session)
                self._places.start_pausing(session)
        return decided

    def _let_through(self, now: float) -> list[Ticket]:
        """Give sessions that have waited for as long as the goal allows a place for one answer."""
        decided: list[Ticket] = []
        while (due := self.next_to_let_through()) is not None and due[0] <= now:
            session = due[1]
            self._state.goal.let(session.footprint, self._state.crowd, now=now)
            decided += self.admit(session, "goal", now)
            session.is_let_through = True
            self._places.start_pausing(session)
        return decided

    def next_to_let_through(self) -> tuple[float, Session] | None:
        """When the next session will have waited for as long as the goal allows, and which; None: no session will."""
        goal = self._state.goal
        if not goal.limits_waits or not self._state.is_enforcing:
            return None
        first = self._order.longest_waiting()
        if first is None:
            return None
        due_at = goal.due_at(first[0], first[1].footprint, self._state.crowd)
        return None if math.isinf(due_at) else (due_at, first[1])

    def _reason_to_admit_waiting(self, session: Session, now: float) -> str | None:
        """Why a session that waits may be admitted now, or None."""
        self._state.accounts.renew(session)
        self.measure(session)
        if self._sets_apart and session.is_beyond:
            return self.gives_way
        return self._make_room(self._places.addition(session), now, session.grows)

    @property
    def _sets_apart(self) -> bool:
        """Whether a session can be too large for the queue: only if tokens are limited."""
        return self._limits.budget is not None and self._state.is_enforcing

    def _is_outsized(self, session: Session) -> bool:
        """Whether the session, which does not fit, is set apart."""
        budget = self._limits.budget
        if session.is_beyond or budget is None:
            return session.is_beyond
        is_large = self._places.addition(session) > OUTSIZED * budget.tokens
        return is_large and self._limits.capacity_tokens is not None

    @property
    def uses_lapses(self) -> bool:
        """Whether a session waits for the end of a lease."""
        if self._order:
            return True
        first = self._apart.first()
        return first is not None and not first.is_beyond

    def pause_excess(self, now: float) -> None:
        """Pause sessions until the rest is within the limits: first those whose lease has ended, then as
        `Places.first_to_pause` says.
        """
        if self.gives_way is not None:
            self.is_overfull, self._leaving = True, None
            return
        while self._limits.are_exceeded(in_flight=self._state.in_flight):
            if self._reclaim_lapsed(now):
                continue
            session = self._places.first_to_pause()
            if session.in_flight:
                self._places.start_pausing(session)
            else:
                self.pause(session, "window")
        if self.is_overfull:
            leaving = self._places.to_pause()
            self._leaving = leaving if self._leaving is None else self._leaving & leaving
            self.is_overfull = bool(self._leaving)

    def to_forget(self, now: float) -> Session | None:
        """The session that is forgotten first when memory is short, or None. It is the dormant session that has been
        without a place for longest, or if all have places, the one whose lease ended first.
        """
        placeless = self._sessions.longest_placeless()
        if placeless is not None:
            return placeless
        lapsing = self._resting.next_session_to_lapse(self._state.lease)
        return None if lapsing is None or lapsing[0] > now else lapsing[1].session

    def next_lapse(self) -> float | None:
        """When the next idle session's lease ends, so that its place can go to a session that waits, or None."""
        lapsing = self._resting.next_to_lapse(self._state.lease)
        return None if lapsing is None else lapsing[0]

    def next_lapse_for_tenant(self) -> float | None:
        """When the next place can go to a blocked session of the same tenant, or None."""
        lapsing = self._resting.next_of_tenants(self._order.blocked_tenants, self._state.lease)
        return None if lapsing is None else lapsing[0]

    def _reclaim_for_tenant(self, now: float) -> bool:
        """Take back the place of an idle session whose lease has ended, for a blocked one of the same tenant.
        False if there is no such place.
        """
        lapsing = self._resting.next_of_tenants(self._order.blocked_tenants, self._state.lease)
        if lapsing is None or lapsing[0] > now:
            return False
        self.pause(lapsing[1], "lease")
        return True

    def _make_room(self, tokens: float, now: float, grows: float = 1.0) -> str | None:
        """Take back as many places as needed whose lease has ended. Returns why a session with this footprint may be
        admitted then, or None.
        """
        while (reason := self._reason_to_admit(tokens, grows)) is None and self._reclaim_lapsed(now):
            pass
        return reason

    def _reason_to_admit(self, tokens: float, grows: float = 1.0) -> str | None:
        """Why a session with this footprint may be admitted now, or None."""
        if (reason := self.gives_way) is not None:
            return reason
        return self._limits.reason_to_admit(tokens, in_flight=self._state.in_flight, grows=grows)

    @property
    def gives_way(self) -> str | None:
        """Why control is pointless at present, or None. The law protects caches, but no cache survives until the next
        turn (`lease`), or hardly any session has a next turn (`no_returns`). The engine then orders requests as well as
        the gateway could. Or the goal wants no session to wait at this load (`goal`).
        """
        if self._limits.budget is None:
            return None
        if not self._state.lease.keeps_caches:
            return "lease"
        if self._returning.is_negligible:
            return "no_returns"
        return "goal" if self._state.goal.gives_way else None

    def _reclaim_lapsed(self, now: float) -> bool:
        """Take back what was kept under the lease that ended first: the place of an idle session, or the cache of an
        idle agent whose family is at work. False if no lease has ended.
        """
        lapsing = self._resting.next_to_lapse(self._state.lease)
        if lapsing is None or lapsing[0] > now:
            return False
        session, member = lapsing[1].session, lapsing[1].member
        if member is None:
            self.pause(session, "lease")
        else:
            self._resting.wake_member(member)
            family.release(member)
            self.measure(session)
        return True

    def _must_wait(self, session: Session, now: float) -> bool:
        """Whether a session with a place waits again, because it needs more cache than there is room for."""
        if session.state is not SessionState.ACTIVE or session.in_flight or not self._state.is_enforcing:
            return False
        while (is_over := self._limits.are_exceeded(in_flight=self._state.in_flight) and self.gives_way is None) and (
            self._reclaim_lapsed(now)
        ):
            pass
        return is_over

    def _must_yield(self, session: Session) -> bool:
        """Whether the session should give its place to the next session, whose tenant has less than its share."""
        if (sharing := self._state.sharing) is None or self._order.nobody_waits():
            return False
        if (head := self._order.head()) is None or not self._state.is_enforcing or not sharing.must_yield(session):
            return False
        return self._reason_to_admit(self._places.addition(head), head.grows) is None
