"""The gate: admits whole sessions to one engine under a window.

A `SessionGate` is made of a few objects that share one `GateState`:

    SessionGate      requests arrive and end, time passes, the engine reports its load
    GateView         its base: all questions
    Scheduler        who gets a place and who gives one up
    Transitions      its base: all changes of sessions
    Decisions        its base: requests are admitted or refused
    ManualControl    what an operator does
    Handover         sessions come from elsewhere and go there
"""

from dataclasses import replace

from concur_proxy.admission import family
from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate_view import GateView
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import Whereabouts


class SessionGate(GateView):
    """Admits sessions to one engine. Every event returns the tickets that it decided. A request of a session with a
    place is admitted at once.
    """

    # -- requests

    def arrive(
        self, where: Whereabouts, arrival: Arrival, *, now: float, seniority: int | None = None
    ) -> tuple[Ticket, list[Ticket]]:
        """A request of this session and member arrives. Returns its ticket and every ticket that this decided, its own
        included. `seniority` is what another gateway gave a session that is new here.
        """
        state, scheduler = self._state, self._scheduler
        session = self.sessions.get(where.session) or scheduler.newcomer(where, arrival, seniority, now)
        member = family.member_of(session, where)
        ticket = Ticket(session=session, number=next(state.numbers), arrival=arrival, now=now, member=member)
        state.order.meet(arrival)
        decided = scheduler.fill(now) if self._is_full else []  # leases may have ended since the last event
        refusal = self._refusal(session, arrival, now)
        if refusal is not None:
            return ticket, [*decided, scheduler.decide(ticket, refusal, now)]
        scheduler.wake(session, now)
        kept_tokens = scheduler.begin(session, member, arrival, now)
        state.review_goal()
        has_place = session.state is SessionState.ACTIVE
        if has_place and (not session.pausing or (session.in_flight and family.is_awaited(session, member))):
            self.accounts.promise(ticket, kept_tokens)
            return ticket, [*decided, scheduler.decide(ticket, Outcome.ADMITTED, now)]
        session.held[ticket] = None
        state.holds.add(ticket)
        if not session.pausing:
            scheduler.wait(session)
        return ticket, decided + scheduler.fill(now)

    def finish(self, ticket: Ticket, answered: Answered, *, now: float) -> list[Ticket]:
        """The request has ended, successfully or not, whether it was waiting or in flight. Finishing a ticket twice
        changes nothing.
        """
        state, scheduler = self._state, self._scheduler
        if not ticket.is_in_flight:
            if not ticket.is_held:
                return []
            scheduler.withdraw(ticket, Outcome.CLIENT_GONE, now)
            return scheduler.fill(now)
        ticket.finished = True
        session, member, was_accepted = ticket.session, ticket.member, not answered.refused
        session.turns += was_accepted
        session.in_flight -= 1
        state.in_flight -= 1
        state.lasting -= ticket.reading < state.readings
        member.busy -= 1
        member.turns += was_accepted
        member.is_done = answered.first_token_s is not None and was_accepted and not answered.client_gone
        state.order.learn(session, answered)
        self.accounts.settle(ticket, answered, now=now)
        if was_accepted and answered.first_token_s is not None:
            state.goal.answered(waited_s=ticket.held_s, first_token_s=answered.first_token_s)
        scheduler.serve(ticket, answered)
        if not (was_accepted or member.busy or member.turns):
            family.release(member)
        scheduler.measure(session)
        state.review_goal()
        if session.in_flight == 0:
            loss = "refused" if answered.refused else "client_gone" if answered.client_gone else None
            is_unserved = session.turns <= 1 and answered.client_gone and answered.is_empty
            scheduler.step_boundary(session, now, loss=loss, is_unserved=is_unserved)
        elif member.is_live and not member.busy:
            state.gaps.rest_member(session, member, now)
        if state.is_enforcing:
            scheduler.pause_excess(now)
        return scheduler.fill(now)

    def _refusal(self, session: Session, arrival: Arrival, now: float) -> Outcome | None:
        """Why a request is refused at once, or None."""
        if self._state.is_draining:
            return Outcome.DRAINING
        if self.accounts.certainly_exceeds(arrival):
            return Outcome.CONTEXT_LENGTH_EXCEEDED
        is_new = session.state is SessionState.QUEUED and not session.held
        if is_new and self._state.order.is_full(arrival):
            return Outcome.QUEUE_FULL
        if not is_new or not self._is_full or self._has_share_of_queue(session.tenant):
            return None
        # The sessions before it are not admitted either. Letting it join would only make the queue longer.
        is_next = self._state.order.position(session) == 1
        return None if is_next and self.make_room(self.accounts.guess(arrival), now=now) else Outcome.QUEUE_FULL

    def _has_share_of_queue(self, tenant: str) -> bool:
        """Whether a session of the tenant may wait although the queue is full. It may if others filled the queue, and
        the tenant has less than an equal part of it. With n tenants, at most 1 + ln(n) times the allowed number wait.
        """
        waiting = self._state.order.waiting_by_tenant
        own = waiting.get(tenant, 0)
        tenants = len(waiting) + (not own)
        return tenants > 1 and own < self._state.options.max_waiting_sessions // tenants

    @property
    def _is_full(self) -> bool:
        return self.waiting >= self._state.options.max_waiting_sessions

    # -- everything else that happens

    def end(self, key: str, *, now: float) -> list[Ticket]:
        """End the session: at once if none of its requests waits or is in flight, else when the last one ends."""
        session = self.sessions.get(key)
        if session is None:
            return []
        session.ending = True
        if session.is_dormant:
            self._scheduler.end(session, "said", now)
        return self._scheduler.fill(now)

    def steer(self, session: Session, steering: Steering, *, now: float) -> list[Ticket]:
        """An operator pauses, resumes or prioritises a session."""
        return self._manual.steer(session, steering, now)

    def enforce(self, *, enforcing: bool, now: float) -> list[Ticket]:
        """Make sessions wait for the window, or only count those that would wait."""
        return self._manual.enforce(enforcing=enforcing, now=now)

    def resize(self, window: float, *, now: float, budget: Budget | None = None) -> list[Ticket]:
        """Set the windows, see `Resize`. If they are smaller than what the active sessions fill, the youngest sessions
        pause at their step boundaries.
        """
        self._state.limits.resize(window, budget)
        self.accounts.window_tokens = None if budget is None else budget.tokens
        if self._state.is_enforcing:
            self._scheduler.pause_excess(now)
        return self._scheduler.fill(now)

    def observe(self, load: EngineLoad | None, *, now: float) -> list[Ticket]:
        """Use the newest reading of the engine, or None if there is no reading that can be trusted.

        Gauges are late if they do not show all requests that have been in flight since the last reading. They make the
        engine look emptier than it is, so they admit no session beyond the window.
        """
        state = self._state
        is_late = load is not None and load.is_late(state.lasting)
        state.limits.observe(replace(load, waiting=None) if load is not None and is_late else load)
        state.readings += 1
        state.lasting = state.in_flight
        if load is not None:
            self.accounts.most_tokens, self.accounts.cache_tokens = load.max_model_len, load.capacity_tokens
            self.accounts.engine_prefill_tokens_s = load.prefill_tokens_s
            if load.capacity_tokens and self.accounts.prefill_tokens_s:
                state.lease.observe_break_even(load.capacity_tokens / self.accounts.prefill_tokens_s)
        state.review_goal()
        state.plan_goal(now)
        state.lease.review(now=now, is_engine_idle=not state.in_flight)
        return self._scheduler.fill(now)

    def expire(self, *, now: float) -> list[Ticket]:
        """Do everything that is due by now: end waits that are past their deadlines, forget sessions that were idle for
        too long, and pass on places whose lease has ended.
        """
        state, decided = self._state, []
        while (ticket := state.holds.first()) is not None and ticket.deadline <= now:
            decided.append(self._scheduler.withdraw(ticket, Outcome.HOLD_TIMEOUT, now))
        while (
            dormant := self.sessions.longest_dormant()
        ) is not None and dormant.idle_since + state.options.session_ttl_s <= now:
            self._scheduler.end(dormant, "idle", now)
        return decided + self._scheduler.fill(now)

    def to_forget(self, *, now: float) -> Session | None:
        """The session that is forgotten first when memory is short, or None. It is idle, and has no place or one whose
        lease has ended.
        """
        return self._scheduler.to_forget(now)

    def forget(self, session: Session, *, now: float) -> None:
        """Forget an idle session, because memory is short."""
        self._scheduler.end(session, "memory", now)

    def drain(self, *, now: float) -> list[Ticket]:
        """Refuse every request that waits or arrives from now on."""
        self._state.is_draining = True
        return [self._scheduler.withdraw(ticket, Outcome.DRAINING, now) for ticket in list(self._state.holds)]

    def begin_with_lease(self, seconds: float) -> None:
        """Start with the lease that another gateway found right for the engine."""
        self._state.lease.begin_with(seconds)

    def lose_cache(self) -> None:
        """The engine has restarted with an empty cache: nothing that was in the old one is expected any more."""
        self.accounts.cache += 1

    def make_room(self, tokens: float, *, now: float) -> bool:
        """Whether a session with this footprint would be admitted if it were next, after taking back as many places as
        needed whose lease has ended. Call this only when a session waits.
        """
        return self._scheduler.make_room(tokens, now=now)

    def make_room_for(self, session: Session, *, now: float) -> bool:
        """Whether a session of another gate would be admitted here, as `make_room`."""
        return self._scheduler.make_room(self._state.places.addition(session), now=now)

    def join(self, tree: ConversationTree) -> None:
        """Use the tree of a fleet. Call this before the first request."""
        self._state.join(tree)
