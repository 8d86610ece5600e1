"""The gate: admits whole sessions to one engine under a window.

A `SessionGate` is made of a few objects that share one `GateState`:

    SessionGate      requests arrive and end, time passes, the engine reports its load; all questions
    Scheduler        who gets a place and who gives one up
    Transitions      its base: all changes of sessions and requests
    ManualControl    what an operator does
    Handover         sessions come from elsewhere and go there
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from concur_proxy.admission import family
from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate_state import GateOptions, GateState
from concur_proxy.admission.handover import Handover
from concur_proxy.admission.lease import Gap, Lease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.manual import ManualControl, Steering
from concur_proxy.admission.order import QueueOrder
from concur_proxy.admission.orders.fair import Fair
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.scheduler import Scheduler
from concur_proxy.admission.session import Numbers, Session, SessionState
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.admission.tenant_totals import TenantStanding
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.recognition.conversations import Whereabouts
from concur_proxy.recognition.tree import ConversationTree


class SessionGate:
    """Admits sessions to one engine. Every event returns the tickets that it decided. A request of a session with a
    place is admitted at once.
    """

    def __init__(
        self,
        *,
        options: GateOptions,
        lease: Lease,
        window: float,
        engine: str = "",
        numbers: Numbers | None = None,
        order: QueueOrder | None = None,
    ) -> None:
        self._state = state = GateState(
            options=options,
            lease=lease,
            window=window,
            engine=engine,
            numbers=numbers or Numbers(),
            order=order if order is not None else Fair(),
        )
        self._scheduler = Scheduler(state)
        self._manual = ManualControl(state, self._scheduler)
        self.handover = Handover(state, self._scheduler)
        self.engine = engine
        self.sessions = state.sessions
        self.queue = state.order
        """The sessions that wait for a place, except those in `apart`, to read."""
        self.apart = state.apart
        """The sessions that wait for a place and are too large for the queue, to read."""
        self.accounts = state.accounts
        self.counters = state.counters
        """Events so far by (event, reason): `admit` and `resume` (window, room, alone, lease, no_returns, claim),
        `pause` (window, share, lease, client_gone, refused, by_hand, moved), `refuse` (an Outcome's value), `end`
        (said, answered, refused, idle, memory, or an Outcome's value), `would_hold` (window), `move` to another gate
        (lost, shared, waited, home).
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
        scheduler.serve(ticket, answered)
        if not (was_accepted or member.busy or member.turns):
            family.release(member)
        scheduler.measure(session)
        if session.in_flight == 0:
            loss = "refused" if answered.refused else "client_gone" if answered.client_gone else None
            scheduler.step_boundary(session, now, loss=loss)
        elif member.is_live and not member.busy:
            scheduler.rest_member(session, member, now)
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

    # -- questions

    @property
    def active(self) -> int:
        """Number of sessions that hold a place, including those that will give it up when their present answer ends."""
        return len(self._state.places)

    @property
    def waiting(self) -> int:
        """Number of sessions that wait for a place. Sessions that an operator paused do not."""
        return len(self._state.order) + self._state.order.blocked + len(self._state.apart)

    @property
    def line(self) -> Iterator[Session]:
        """The sessions that wait for a place: those in the queue, and then those that are too large for it."""
        yield from self._state.order
        yield from self._state.apart

    def place_of(self, session: Session) -> int | None:
        """The session's place among those that wait, from 1; None if it does not wait. A session that is too large for
        the queue has a place among its like.
        """
        state = self._state
        if session in state.apart:
            return state.apart.position(session)
        return state.order.position(session) if session in state.order else None

    @property
    def tenants(self) -> dict[str, TenantStanding]:
        """What each tenant has now and was served so far. Beyond 50 tenants, the others count as one."""
        totals, state = self._state.tenants, self._state
        active, waiting = totals.grouped(state.sessions.active_by_tenant), totals.grouped(state.order.waiting_by_tenant)
        return {
            name: TenantStanding(
                active=active.get(name, 0),
                waiting=waiting.get(name, 0),
                served_tokens=totals.served.get(name, 0),
                weight=totals.weights.get(name),
            )
            for name in active.keys() | waiting.keys()
        }

    @property
    def footprint_tokens(self) -> float:
        """KV cache that the active sessions need, tokens."""
        return self._state.places.footprint_tokens

    @property
    def budget(self) -> Budget | None:
        """The window in tokens, if there is one."""
        return self._state.limits.budget

    @property
    def is_enforcing(self) -> bool:
        """Whether sessions wait for the window."""
        return self._state.is_enforcing

    def has_room_for(self, tokens: float) -> bool:
        """Whether a session with this footprint would be admitted now if it were next."""
        return self._scheduler.has_room_for(tokens)

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

    def first_sessions(self, limit: int) -> list[Session]:
        """At most `limit` sessions: those with places by seniority, then those that wait in their order, then others.
        The cost depends on `limit` only.
        """
        chosen = dict.fromkeys(islice(self._state.places, limit))
        chosen.update(dict.fromkeys(islice(self.line, limit)))
        chosen.update(dict.fromkeys(islice(self.sessions, 4 * limit)))
        return list(islice(chosen, limit))

    def expected_wait(self, ticket: Ticket, *, now: float) -> tuple[int, float]:
        """The place in the queue of the ticket's session, from 1, and its probable wait in seconds.

        For a session that was refused, sessions count as before it that were refused too and will come back.
        """
        session, scheduler, apart = ticket.session, self._scheduler, self._state.apart
        if session in apart:
            return apart.position(session), apart.wait_s(session, now)
        position = self._state.order.position(session)
        if not session.held:
            position += scheduler.absent.before(session.seniority, now)
        is_newcomer = session.state is not SessionState.PAUSED
        return position, scheduler.admissions.expected_wait_s(position, now=now, is_newcomer=is_newcomer)

    def next_deadline(self) -> float | None:
        """The time at which `expire` must be called next if no other event happens, or None."""
        state, scheduler = self._state, self._scheduler
        hold, dormant = state.holds.first(), self.sessions.longest_dormant()
        times = (
            None if hold is None else hold.deadline,
            None if dormant is None else dormant.idle_since + state.options.session_ttl_s,
            self.next_lapse() if scheduler.uses_lapses else None,
            scheduler.next_lapse_for_tenant(),
            state.apart.next_due(),
        )
        return min((time for time in times if time is not None), default=None)

    def next_lapse(self) -> float | None:
        """When the next idle session's lease ends, or None."""
        return self._scheduler.next_lapse()

    def snapshot(self) -> GateSnapshot:
        """The present state in numbers; O(1)."""
        state, accounts, budget = self._state, self.accounts, self.budget
        return GateSnapshot(
            window=state.limits.window,
            budget_tokens=None if budget is None else budget.tokens,
            active=self.active,
            paused=self.sessions.count(SessionState.PAUSED),
            queued=self.sessions.count(SessionState.QUEUED),
            waiting=self.waiting,
            apart=len(state.apart),
            held=len(state.holds),
            in_flight=state.in_flight,
            lasting=state.lasting,
            footprint_tokens=self.footprint_tokens,
            separate_tokens=state.places.separate_tokens,
            answered_tokens=accounts.answered_tokens,
            answering_s=accounts.answering_s,
            promised_tokens=accounts.promised_tokens,
            told_tokens=accounts.told_tokens,
            lost_tokens=accounts.lost_tokens,
            prefill_tokens_s=accounts.prefill_tokens_s,
            lease_s=state.lease.duration_s(Gap.LATER),
        )
