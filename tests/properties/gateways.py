"""Gateways of a group whose messages travel, and one of which leads, when a test says so."""

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from concur_proxy.admission.changes import Change
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import CoordinatorParts, Role
from concur_proxy.coordination.group.member import GRACE_S, Member
from concur_proxy.coordination.group.term import Term, term_name
from concur_proxy.coordination.protocol.messages import Message
from tests.coordination.fleets import make_fleet

LEASE_S, TTL_S = 4.0, 100.0
"""The lease and the life of idle sessions in each fleet."""
NOBODY = Term("", frozenset())

Kept = dict[str, SessionRecord | None]


@dataclass(eq=False)
class Wire:
    """The connection of a follower to the leader. Each side handles what was sent before it sees the end."""

    up: deque[Message | Change] = field(default_factory=deque)
    down: deque[Message | Change | Kept] = field(default_factory=deque)
    is_cut: bool = False

    @property
    def is_quiet(self) -> bool:
        return not (self.up or self.down or self.is_cut)


class Gateway:
    """A member, its connections, and what it keeps for the next leader."""

    def __init__(self, name: str, parts: CoordinatorParts) -> None:
        self.me = name
        self.wire: Wire | None = None
        self.followers: dict[str, Wire] = {}
        self.kept: dict[str, SessionRecord] = {}
        self.taking_over: Generator[None, None, None] | None = None
        self.is_retired = False
        """It hands over: it answers what it has, and never leads again."""
        self.member = Member(parts, self)
        self.member.tell = self.check
        self.member.follow(NOBODY)

    @property
    def leads(self) -> bool:
        return self.member.role is Role.LEADING

    def check(self, decided: list[Ticket]) -> None:
        assert not any(ticket.is_held for ticket in decided)

    def enter(self, term: str, *, leads: bool) -> None:
        """Connections do not outlast a term."""

    def send(self, message: Message | Change, to: str | None = None) -> None:
        if to is not None and to in self.followers:
            self.followers[to].down.append(message)
        elif to is None and self.wire is not None and not self.wire.is_cut:
            self.wire.up.append(message)

    def keep(self, records: Kept) -> None:
        for key, record in records.items():
            if record is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = record

    def cut(self) -> None:
        """Close all connections."""
        for wire in (*self.followers.values(), *(() if self.wire is None else (self.wire,))):
            wire.is_cut = True
        self.followers.clear()


class Group:
    """Some gateways, at most one of which leads."""

    def __init__(self, count: int, *, window: float) -> None:
        self.now = 0.0
        self.window = window
        self.gateways: dict[str, Gateway] = {}
        self._terms = self._born = 0
        for _ in range(count):
            self.bear()

    def bear(self) -> None:
        """A new gateway comes."""
        self._born += 1
        name = f"g{self._born}"
        parts = CoordinatorParts(
            make_fleet=lambda after: make_fleet(engines=("a", "b"), window=self.window, lease_s=LEASE_S, after=after),
            clock=lambda: self.now,
        )
        self.gateways[name] = Gateway(name, parts)

    def __getitem__(self, which: int) -> Gateway:
        return list(self.gateways.values())[which % len(self.gateways)]

    def __iter__(self) -> Iterator[Gateway]:
        return iter(list(self.gateways.values()))

    # -- messages and time

    def tell_follower(self, gateway: Gateway) -> None:
        """The gateway handles the next thing that its leader has sent, or sees that its connection is cut."""
        if (wire := gateway.wire) is None:
            return
        if wire.down:
            message = wire.down.popleft()
            if isinstance(message, dict):
                gateway.keep(message)
            else:
                gateway.member.inbox.put("", [message])  # type: ignore[list-item]
        elif wire.is_cut:
            gateway.wire = None
            gateway.member.follow(NOBODY)

    def tell_leader(self, which: int) -> None:
        """The leader handles the next message of one of its followers, or sees that its connection is cut."""
        if (leader := self.leader) is None or not leader.followers:
            return
        name = list(leader.followers)[which % len(leader.followers)]
        wire = leader.followers[name]
        if wire.up:
            leader.member.inbox.put(name, [wire.up.popleft()])  # type: ignore[list-item]
        elif wire.is_cut:
            del leader.followers[name]
            leader.member.lose(name)

    def deliver_all(self) -> None:
        """Deliver everything that was sent, and what is sent in answer to it."""
        while not all(wire.is_quiet for wire in self._wires()):
            for which in range(len(self.gateways) + 1):
                self.tell_follower(self[which])
                self.tell_leader(which)

    def _wires(self) -> list[Wire]:
        of_leader = [] if self.leader is None else list(self.leader.followers.values())
        return [*of_leader, *(each.wire for each in self if each.wire is not None)]

    def time_passes(self, seconds: float) -> None:
        """Do everything that is due after this time."""
        self.now += seconds
        for gateway in self:
            member = gateway.member
            if gateway.leads:
                member.hand_on(member.leader.open(now=self.now))
                member.apply(member.fleet.expire(now=self.now))
            else:
                for ticket in member.replica.overdue(now=self.now):
                    member.refuse(ticket, Outcome.HOLD_TIMEOUT)

    def settle(self) -> None:
        """Let one lead and all others follow it, and deliver everything until nothing is due."""
        self.find_leader()
        self.now += GRACE_S
        self.deliver_all()
        self.all_follow()
        self.deliver_all()
        while (leader := self.leader) is not None and (due := leader.member.leader.next_deadline()) is not None:
            if due > self.now:
                break
            self.time_passes(0.0)
            self.deliver_all()

    # -- who leads

    @property
    def leader(self) -> Gateway | None:
        return next((each for each in self if each.leads), None)

    @property
    def is_taken_over(self) -> bool:
        return any(each.taking_over is not None for each in self)

    def begin_to_lead(self, which: int) -> None:
        """A gateway that follows nobody begins to lead."""
        if free := [each for each in self if each.wire is None and not each.is_retired]:
            gateway = free[which % len(free)]
            self._terms += 1
            term = Term(term_name(self._terms, "x", gateway.me), frozenset(self.gateways))
            gateway.taking_over = gateway.member.leading(term, gateway.member.standing, list(gateway.kept.values()))

    def take_step(self) -> None:
        """The gateway that begins to lead takes over one more session."""
        for gateway in self:
            if gateway.taking_over is not None and next(gateway.taking_over, self) is self:
                gateway.taking_over = None
                assert gateway.leads

    def find_leader(self) -> None:
        """Let a gateway lead if none does."""
        while self.leader is None:
            self.deliver_all()
            if not self.is_taken_over:
                self.begin_to_lead(0)
            while self.is_taken_over:
                self.take_step()

    def follow(self, gateway: Gateway) -> None:
        """Connect the gateway to the leader, if there is one and it follows nobody."""
        leader = self.leader
        if leader is None or gateway is leader or gateway.wire is not None or gateway.taking_over is not None:
            return
        wire = gateway.wire = leader.followers[gateway.me] = Wire()
        gateway.kept.clear()
        wire.down.append(dict(leader.kept))
        gateway.member.follow(Term(term_name(self._terms, "x", leader.me), frozenset()))

    def all_follow(self) -> None:
        """Connect all gateways to the leader."""
        for gateway in self:
            self.follow(gateway)

    def keep(self) -> None:
        """The leader sends its followers the state for the next leader."""
        if (leader := self.leader) is not None:
            leader.member.publish()
            records = leader.member.take_changes()
            leader.keep(records)
            for wire in leader.followers.values():
                wire.down.append(records)

    def end(self, gateway: Gateway) -> None:
        """A gateway ends without a word, and another one comes."""
        gateway.cut()
        del self.gateways[gateway.me]
        self.bear()

    def hand_over(self) -> None:
        """The leader stops leading, and goes on with the requests that it has."""
        if (leader := self.leader) is not None:
            self.keep()
            leader.cut()
            leader.is_retired = True
            leader.member.follow(NOBODY)
            if all(each.is_retired for each in self):
                self.bear()
