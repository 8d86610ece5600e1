"""Sessions and requests that move between the gates of a fleet, or between gateways."""

from collections.abc import Iterable

import msgspec

from concur_proxy.admission import family
from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gate_state import GateState
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.scheduler import Scheduler
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import Whereabouts


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A member of a session's family as another gateway needs it."""

    name: str
    parent: str
    is_declared: bool
    is_live: bool
    is_done: bool
    footprint: float
    prompt_tokens: int | None
    completion_tokens: int
    context_tokens: int | None
    first_segments: int
    turns: int
    chain: Chain | None
    """Its newest prompt."""

    @classmethod
    def of(cls, member: Member, tree: ConversationTree) -> "MemberRecord":
        """Make the record of a member."""
        return cls(
            name=member.name,
            parent=member.parent,
            is_declared=member.is_declared,
            is_live=member.is_live,
            is_done=member.is_done or member.busy > 0,
            footprint=member.footprint,
            prompt_tokens=member.prompt_tokens,
            completion_tokens=member.completion_tokens,
            context_tokens=member.context_tokens,
            first_segments=member.first_segments,
            turns=member.turns,
            chain=tree.chain_of(member),
        )

    def member(self, session: str) -> Member:
        """Make a member of this session from the record. It has no place in the tree yet."""
        member = Member(session, self.name, self.parent, is_declared=self.is_declared)
        member.is_live, member.is_done, member.footprint = self.is_live, self.is_done, self.footprint
        member.prompt_tokens, member.completion_tokens = self.prompt_tokens, self.completion_tokens
        member.context_tokens, member.turns = self.context_tokens, self.turns
        member.first_segments = self.first_segments
        return member


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A session as another gateway needs it to continue the session. It contains no requests: each gateway reports its
    own requests to a new leader.
    """

    key: str
    engine: str
    state: str
    """The value of a `SessionState`."""
    seniority: int
    footprint: float
    members: tuple[MemberRecord, ...]
    model: str | None
    idle_s: float
    """Seconds since its last request ended, or since it arrived."""
    is_between_steps: bool
    has_lapsed: bool
    stopped: bool = False
    """Whether an operator paused it."""
    turns: int = 0
    tenant: str = ""
    weight: float = 1.0
    priority: int = 0

    @classmethod
    def of(cls, session: Session, engine: str, tree: ConversationTree, *, now: float) -> "SessionRecord":
        """Make the record of a session. A session with requests is recorded as idle since now."""
        return cls(
            key=session.key,
            engine=engine,
            state=session.state.value,
            seniority=session.seniority,
            footprint=session.footprint,
            members=tuple(MemberRecord.of(member, tree) for member in session.members.values()),
            model=session.model,
            idle_s=now - session.idle_since if session.is_dormant else 0.0,
            is_between_steps=session.is_dormant and session.is_between_steps,
            has_lapsed=session.has_lapsed,
            stopped=session.stopped,
            turns=session.turns,
            tenant=session.tenant,
            weight=session.weight,
            priority=session.priority,
        )

    def session(self, *, seniority: int, now: float) -> Session:
        """Make a session from the record. Its idle time goes on. `seniority` is the recorded one, or another one if
        that is taken.
        """
        session = Session(
            key=self.key,
            seniority=seniority,
            one_shot=False,
            now=now - self.idle_s,
            model=self.model,
            tenant=self.tenant,
            weight=self.weight,
            priority=self.priority,
        )
        session.state = SessionState(self.state)
        session.stopped, session.turns = self.stopped, self.turns
        if self.stopped and session.state is SessionState.ACTIVE:
            session.state = SessionState.PAUSED  # the session was about to pause at the end of its answer
        session.footprint = self.footprint
        session.members = {record.name: record.member(self.key) for record in self.members}
        session.is_between_steps = self.is_between_steps
        session.has_lapsed = self.has_lapsed
        return session


class Handover:
    """Gives sessions of one gate away, and takes over those of other gates and gateways."""

    def __init__(self, state: GateState, scheduler: Scheduler) -> None:
        self._state = state
        self._scheduler = scheduler

    def part_with(self, session: Session, reason: str) -> None:
        """Give a session away, for another gate's `adopt`. It keeps its waiting requests and its seniority, and loses
        its place. The queue moves with the next event. `ValueError` while requests are in flight, because the engine is
        working on them.
        """
        if session.in_flight:
            raise ValueError(f"session {session.key!r} has requests in flight")
        if session.state is SessionState.ACTIVE:
            self._scheduler.pause(session, "moved")
        self._state.counters["move", reason] += 1
        self._state.order.leave(session)
        self._state.apart.leave(session)
        self._state.sessions.remove(session)
        for member in session.members.values():
            member.cache = member.gap = member.turn_gap = None
        session.gap = None
        for ticket in session.held:
            self._state.holds.remove(ticket)

    def adopt(self, session: Session, now: float) -> list[Ticket]:
        """Take over a session that another gate gave away."""
        self._state.tenants.meet(session.tenant, session.weight)
        self._state.sessions.add(session)
        for ticket in session.held:
            self._state.holds.add(ticket)
        if session.held:
            self._scheduler.wait(session)
        else:
            self._state.sessions.sleep(session)
        return self._scheduler.fill(now)

    def restore(self, session: Session, chains: Iterable[tuple[Member, Chain]] = ()) -> None:
        """Take over another gateway's session unchanged: idle, and with its place if it is active."""
        self._state.tenants.meet(session.tenant, session.weight)
        self._state.sessions.add(session)
        for member in session.members.values():
            self._state.tree.add(member)
        for member, chain in chains:
            self._state.tree.put(member, chain, self._state.accounts.estimator.estimate)
            if member.prompt_tokens is not None:
                self._state.tree.count(member, member.prompt_tokens, engine=self._state.engine, cache=-1)
        if session.state is SessionState.ACTIVE:
            self._state.places.take(session)
            self._state.resting.rest(session)
        self._state.sessions.sleep(session)

    def claim(
        self, where: Whereabouts, arrival: Arrival, seniority: int | None, now: float
    ) -> tuple[Ticket, list[Ticket]]:
        """A request that another gateway released is at the engine: its session gets a place, whatever the window says.
        Returns the request's ticket, and the tickets of the session that waited here.
        """
        state, scheduler = self._state, self._scheduler
        session = state.sessions.get(where.session) or scheduler.newcomer(where, arrival, seniority, now)
        member = family.member_of(session, where)
        ticket = Ticket(session=session, number=next(state.numbers), arrival=arrival, now=now, member=member)
        scheduler.wake(session, now)
        scheduler.begin(session, member, arrival, now)
        scheduler.decide(ticket, Outcome.ADMITTED, now)
        if session.state is SessionState.ACTIVE:
            return ticket, []
        decided = scheduler.admit(session, "claim", now)
        if session.stopped:
            state.places.stop(session)
        return ticket, decided
