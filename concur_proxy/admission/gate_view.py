"""What can be asked of a gate. No question moves a session."""

from collections.abc import Iterator
from itertools import islice

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.gate_state import GateOptions, GateState
from concur_proxy.admission.goal import GoalStanding
from concur_proxy.admission.handover import Handover
from concur_proxy.admission.lease import Lease
from concur_proxy.admission.manual import ManualControl
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.order import QueueOrder
from concur_proxy.admission.orders.fair import Fair
from concur_proxy.admission.scheduler import Scheduler
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.admission.tenant_totals import TenantStanding
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.engines_wanted import EngineDemand
from concur_proxy.control.law import Budget

MOST_LOOKED_AT = 500
"""Sessions whose sizes one question about the queue looks at: each costs some microseconds."""


class GateView:
    """One gate to read: its places, its queue and its numbers."""

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
        """Events so far by (event, reason): `admit` and `resume` (window, room, alone, lease, no_returns, goal, claim),
        `pause` (window, share, lease, client_gone, refused, by_hand, moved), `refuse` (an Outcome's value), `end`
        (said, answered, refused, idle, memory, or an Outcome's value), `would_hold` (window), `move` to another gate
        (lost, shared, waited, home).
        """

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
                active=active[name],
                waiting=waiting[name],
                served_tokens=served,
                weighted_tokens=totals.weighted[name],
                weight=totals.weights.get(name),
            )
            for name, served in totals.served.items()
        }

    @property
    def footprint_tokens(self) -> float:
        """KV cache that the active sessions need, tokens."""
        return self._state.places.footprint_tokens

    @property
    def budget(self) -> Budget | None:
        """The window in tokens, if there is one."""
        return self._state.limits.budget

    def demand(self, *, is_up: bool) -> EngineDemand:
        """What the sessions need, and what the engine has, for `engines_wanted`.

        Sessions that wait are assumed to share as much of their contexts as those with a place do, and to be as large
        on average as the first `MOST_LOOKED_AT` of them.
        """
        places, growth, budget = self._state.places, self.accounts.estimator.growth_tokens, self.budget
        turns = 1.0 if budget is None else budget.reserve_turns
        footprint, separate = places.footprint_tokens, places.separate_tokens
        shared = footprint / separate if separate else 1.0
        mean = footprint / len(places) if len(places) else 0.0
        line = list(islice(self.line, MOST_LOOKED_AT))
        need = sum(shared * each.footprint + turns * growth(each.footprint) * each.grows for each in line)
        return EngineDemand(
            active_tokens=footprint + turns * growth(mean) * places.growing,
            waiting_tokens=need * self.waiting / len(line) if line else 0.0,
            active=len(places),
            waiting=self.waiting,
            usable_tokens=self.accounts.cache_tokens if budget is None else budget.tokens,
            window=self._state.limits.window,
            is_up=is_up,
        )

    @property
    def is_enforcing(self) -> bool:
        """Whether sessions wait for the window."""
        return self._state.is_enforcing

    def has_room_for(self, tokens: float) -> bool:
        """Whether a session with this footprint would be admitted now if it were next."""
        return self._scheduler.has_room_for(tokens)

    def in_line(self) -> Iterator[Session]:
        """All sessions: those with places by seniority, then those that wait in their order, then others."""
        yield from self._state.places
        waiting = set()
        for session in self.line:
            waiting.add(session)
            yield session
        for session in self.sessions:
            if session.state is not SessionState.ACTIVE and session not in waiting:
                yield session

    def first_sessions(self, limit: int) -> list[Session]:
        """At most `limit` sessions: those with places by seniority, then those that wait in their order, then others.
        The cost depends on `limit` only.
        """
        chosen = dict.fromkeys(islice(self._state.places, limit))
        chosen.update(dict.fromkeys(islice(self.line, limit)))
        chosen.update(dict.fromkeys(islice(self.sessions, limit)))
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

    def longest_wait_s(self, *, now: float) -> float:
        """Seconds for which the request with the next deadline has waited; 0 if none waits."""
        hold = self._state.holds.first()
        return 0.0 if hold is None else max(0.0, now - hold.arrived_at)

    def next_deadline(self) -> float | None:
        """The time at which `expire` must be called next if no other event happens, or None."""
        state, scheduler = self._state, self._scheduler
        hold, dormant = state.holds.first(), self.sessions.longest_dormant()
        forget_at = None if dormant is None else dormant.idle_since + state.options.session_ttl_s
        if hold is None:
            return forget_at  # nobody waits for anything
        times = (
            hold.deadline,
            forget_at,
            self.next_lapse() if scheduler.uses_lapses else None,
            scheduler.next_lapse_for_tenant(),
            state.apart.next_due(),
            None if (due := scheduler.next_to_let_through()) is None else due[0],
        )
        return min((time for time in times if time is not None), default=None)

    def goal_standing(self, *, now: float) -> GoalStanding:
        """How far the goal is reached: for the latest answers, and for the request that waits longest now."""
        longest = self._state.order.waits.first()
        return self._state.goal.standing(longest_wait_s=0.0 if longest is None else now - longest[0])

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
            gives_way=self._scheduler.gives_way if state.is_enforcing else None,
            is_overfull=self._scheduler.is_overfull and state.is_enforcing,
        )
