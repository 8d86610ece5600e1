"""Sessions shared by several gateways through Redis: one of them leads, see `concur_proxy.coordination.protocol`.

What was weighed: the gate in Lua would be a second gate, beside the one that the simulator and the property tests run.
A share of the window for each replica leaves places empty on one that others wait for, and a session's requests come by
any replica. So one process decides for all, as it would alone, and costs a request two hops through Redis.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.steering import Steering
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.by_hand import ByHand
from concur_proxy.coordination.protocol.messages import Call, End, Overload, Reach, Reply
from concur_proxy.coordination.redis.client import connect
from concur_proxy.coordination.redis.link import RedisLink
from concur_proxy.coordination.redis.member import Member
from concur_proxy.coordination.redis.upkeep import Upkeep
from concur_proxy.coordination.role import Role
from concur_proxy.coordination.store import LeaderSilent, OnCall, OnDecided, OnRole, StoreParts

LATE_S = 2.0
"""A hold that ended so long ago without a word from the leader is ended here."""


class RedisStore:
    """One replica: puts its requests to whoever decides, which may be itself."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.upkeep = Upkeep(member)
        self._replica = member.replica

    async def start(self) -> None:
        """Find out who leads."""
        await self.upkeep.start()

    async def stop(self) -> None:
        """Hand everything over."""
        await self.upkeep.stop()

    @property
    def role(self) -> Role:
        """How this process stands to the others."""
        return self.member.role

    @property
    def leader(self) -> str:
        """The replica that decides, where it is another one."""
        return self.member.leader_name if self.role is Role.FOLLOWING else ""

    @property
    def replicas(self) -> int:
        """How many replicas there are, as last heard."""
        return 1 if self.member.standing is None else self.member.standing.replicas

    @property
    def leads(self) -> bool:
        """Whether this process reads the engines and moves their windows."""
        return self.member.reads_engines

    def on_decided(self, callback: OnDecided) -> None:
        """Tell `callback` of every decision from now on."""
        self.member.tell = callback

    def on_role(self, callback: OnRole) -> None:
        """Tell `callback` when this process begins to lead, or ceases to."""
        self.member.on_role = callback

    def on_overload(self, callback: Callable[[str], None]) -> None:
        """Tell `callback` of engines that refused a request of any replica, while this one leads."""
        self.upkeep.on_overload = callback

    # -- what people do

    @property
    def by_hand(self) -> ByHand:
        """What people have set, as last heard."""
        return self.member.by_hand

    def set_by_hand(self, by_hand: ByHand) -> None:
        """People have set this, here where it is decided."""
        self.member.set_by_hand(by_hand)
        self.upkeep.hurry()

    def on_by_hand(self, callback: Callable[[ByHand], None]) -> None:
        """Tell `callback` what people have set here or elsewhere."""
        self.member.on_by_hand = callback

    async def call(self, call: Call) -> Reply:
        """Whoever decides answers; this process, where nobody does."""
        if self.leader:
            return await self.member.calls.put(call, self.leader)
        if self.role is Role.FOLLOWING and call.method != "GET":
            raise LeaderSilent("No gateway leads at this moment. Ask again in a second.")
        return self.upkeep.answer(call)

    def on_call(self, callback: OnCall) -> None:
        """Let `callback` answer what is asked here, or by any replica while this one leads."""
        self.upkeep.answer = callback

    def steer(self, key: str, steering: Steering) -> bool:
        """A person does something to a session."""
        member = self.member
        if steering is Steering.END:
            self._replica.forget(key)
        is_known = member.fleet.knows(key)
        member.apply(member.fleet.steer(key, steering, now=member.now))
        self.upkeep.hurry()  # what a person was told is done must outlive this process
        return is_known

    # -- requests

    def arrive(self, arrival: Arrival) -> Ticket:
        """A request arrives. The leader is asked."""
        ticket, message = self._replica.arrive(arrival, now=self.member.now)
        if self.upkeep.is_leaving:
            self.member.refuse(ticket, Outcome.DRAINING)
        else:
            self.member.say(message)
        return ticket

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """An admitted request's answer has ended."""
        message = self._replica.finish(ticket, answered)
        if message is not None:
            self.member.say(message)

    def abandon(self, ticket: Ticket) -> None:
        """The client of a held request has gone."""
        message = self._replica.refuse(ticket, Outcome.CLIENT_GONE, now=self.member.now)
        if message is not None:
            self.member.say(message)

    def end(self, key: str) -> bool:
        """The session is over."""
        is_known = self._replica.knows(key) or self.member.fleet.knows(key)
        self._replica.forget(key)
        self.member.say(End(key=key))
        return is_known

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """A ticket's place in the line and its seconds, as last heard."""
        return self._replica.expected_wait(ticket)

    # -- engines

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine: all sessions' where this process leads, its own where it is alone, else empty ones."""
        return self.member.fleet.gates

    @property
    def down(self) -> frozenset[str]:
        """Engines that could not be reached."""
        return self.member.fleet.down

    def enforce(self, engine: str, *, enforcing: bool) -> None:
        """Hold whom the engine's window holds, or only count them."""
        self.member.apply(self.member.fleet.enforce(engine, enforcing=enforcing, now=self.member.now))

    def resize(self, engine: str, window: float, budget: Budget | None = None) -> None:
        """Set the windows of an engine, where this process moves them."""
        if self.leads:
            self.member.apply(self.member.fleet.resize(engine, window, budget=budget, now=self.member.now))

    def observe(self, engine: str, load: EngineLoad | None) -> None:
        """An engine's newest reading, where this process reads it."""
        if self.leads:
            self.member.apply(self.member.fleet.observe(engine, load, now=self.member.now))

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached from here."""
        self.member.fleet.mark_down(engine)
        self.member.say(Reach(engine=engine, is_up=False))

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        self.member.fleet.mark_up(engine)
        self.member.say(Reach(engine=engine, is_up=True))

    def overloaded(self, engine: str) -> None:
        """The engine refused a request for want of room."""
        if self.role is Role.FOLLOWING:
            self.member.say(Overload(engine=engine))
        else:
            self.upkeep.on_overload(engine)

    def serve(self, engine: str, models: Collection[str] | None) -> None:
        """The engine serves these models."""
        self.member.fleet.serve(engine, models)

    def lose_cache(self, engine: str) -> None:
        """The engine has started anew."""
        self.member.fleet.lose_cache(engine)

    def add_engine(self, engine: str) -> None:
        """There is one more engine; each replica must be told."""
        self.member.fleet.add_engine(engine)
        self.member.apply([])  # its sessions may have a deadline now

    def retire_engine(self, engine: str) -> None:
        """An engine takes nobody new, and goes when nothing is in flight there; each replica must be told."""
        self.member.apply(self.member.fleet.retire_engine(engine, now=self.member.now))

    def needs(self, engine: str) -> bool:
        """Whether a request may be at the engine or be sent there, as far as the leader has told or this one knows."""
        if engine in self.gates or any(ticket.engine == engine for ticket in self._replica.released):
            return True
        standing = self.member.standing
        return self.role is Role.FOLLOWING and standing is not None and engine in standing.engines

    def candidates(self, model: str | None) -> Sequence[str]:
        """The engines to which a request outside of any session may go."""
        return self.member.fleet.candidates(model)

    # -- time

    def next_deadline(self) -> float | None:
        """When `expire` has something to do, or None."""
        if self.role is not Role.FOLLOWING:
            return self.member.leader.next_deadline()
        deadline = self._replica.next_deadline()
        return None if deadline is None else deadline + LATE_S

    def expire(self) -> None:
        """Apply what the passing of time has decided."""
        member = self.member
        if self.role is not Role.FOLLOWING:
            member.hand_on(member.leader.open(now=member.now))
            member.apply(member.fleet.expire(now=member.now))
            return
        for ticket in self._replica.overdue(now=member.now - LATE_S):
            member.refuse(ticket, Outcome.HOLD_TIMEOUT)

    def drain(self) -> None:
        """Refuse what is held here and what comes; another replica may lead from now on."""
        self.upkeep.is_leaving = True
        for ticket in self._replica.held:
            self.member.refuse(ticket, Outcome.DRAINING)


def build(parts: StoreParts) -> RedisStore:
    """The store at `parts.url`."""
    return RedisStore(Member(parts, RedisLink(connect(parts.url), prefix=parts.prefix, me=parts.replica)))
