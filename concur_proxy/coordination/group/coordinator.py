"""Several gateways that act as one: one of them leads, see `concur_proxy.coordination.protocol`.

Two other designs were weighed. A gate in Lua inside Redis would be a second gate, next to the one that the simulator
and the property tests run. A fixed share of the window for each gateway leaves places empty on one while sessions wait
at another, and the requests of one session arrive at any of them. So one process decides for all, exactly as it would
decide alone. That costs a request two hops: to the leader and back.
"""

from collections.abc import Coroutine
from typing import Any, Protocol

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import (
    Change,
    Drain,
    EndSession,
    EngineChange,
    Observe,
    Reachable,
    Resize,
    SessionChange,
    Steer,
)
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import LeaderSilent, Listener, Role, Status
from concur_proxy.coordination.group.member import Member
from concur_proxy.coordination.protocol.manual import ManualSettings
from concur_proxy.coordination.protocol.messages import Call, Overloaded, Reply
from concur_proxy.coordination.responses import StoredResponses
from concur_proxy.coordination.waits import Waits

LATE_S = 2.0
"""A follower ends a wait itself if the leader has said nothing for this long after the deadline."""


class Upkeep(Protocol):
    """Keeps a gateway in contact with the others, and finds out who leads."""

    async def start(self) -> None:
        """Find out who leads, and keep up with it from now on."""
        ...

    async def stop(self) -> None:
        """Hand the sessions over to the other gateways, and stop."""
        ...

    def hurry(self) -> None:
        """Save the state for the next leader at once."""
        ...

    def leave(self) -> None:
        """Do not lead any more, because this gateway is stopping."""
        ...

    @property
    def is_leaving(self) -> bool:
        """Whether this gateway is stopping."""
        ...


class GroupCoordinator:
    """One gateway of several. It sends its requests to the gateway that decides, which may be itself."""

    def __init__(self, member: Member, responses: StoredResponses, upkeep: Upkeep) -> None:
        self.member = member
        self.responses = responses
        self.upkeep = upkeep
        self.waits = Waits(clock=member.parts.clock, next_deadline=self.next_deadline, expire=self.expire)
        self._replica = member.replica
        member.tell = self.waits.decided

    async def start(self) -> None:
        """Find out who leads."""
        await self.upkeep.start()

    async def stop(self) -> None:
        """Hand the sessions over to the other gateways, and stop."""
        await self.upkeep.stop()
        self.waits.close()

    def listen(self, listener: Listener) -> None:
        """Report events to this listener from now on."""
        self.member.listener = listener

    @property
    def status(self) -> Status:
        """Who decides, as last reported."""
        return self.member.status

    @property
    def fleet(self) -> Fleet:
        """The fleet that decides. While another gateway leads, this is a fleet without sessions that only knows the
        engines.
        """
        return self.member.fleet

    def needs(self, engine: str) -> bool:
        """Whether the engine is still in use: a request is at the engine, or may be sent there, as far as this gateway
        or the leader knows.
        """
        if engine in self.fleet.gates or any(ticket.engine == engine for ticket in self._replica.released):
            return True
        standing = self.member.standing
        return self.member.role is Role.FOLLOWING and standing is not None and engine in standing.engines

    # -- requests

    def arrive(self, arrival: Arrival) -> Ticket:
        """A request arrives. The leader decides on it."""
        ticket, message = self._replica.arrive(arrival, now=self.member.now)
        if self.upkeep.is_leaving:
            self.member.refuse(ticket, Outcome.DRAINING)
        else:
            self.member.say(message)
        return ticket

    def wait(self, ticket: Ticket, *, timeout_s: float | None = None) -> Coroutine[Any, Any, bool]:
        """Sleep until the ticket is decided, or for `timeout_s`. Returns whether it is decided."""
        return self.waits.wait(ticket, timeout_s=timeout_s)

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """The request has ended."""
        message = self._replica.finish(ticket, answered, now=self.member.now)
        if message is not None:
            self.member.say(message)

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """The ticket's place in the queue and its probable wait in seconds, as the leader last reported them."""
        return self._replica.expected_wait(ticket)

    # -- changes

    def apply(self, change: Change) -> bool:
        """Carry out a change here, and send it to the leader if it concerns the leader."""
        member = self.member
        is_known = member.fleet.knows(change)
        match change:
            case EndSession():
                is_known = is_known or self._replica.knows(change.key)
                self._replica.forget(change.key)
                member.say(change)
            case Overloaded():
                if member.role is Role.FOLLOWING:
                    member.say(change)
                else:
                    member.listener.on_overload(change.engine)
            case Drain():
                self._drain()
            case Resize() | Observe() if not member.reads_engines:
                pass
            case Reachable():
                member.fleet.apply(change, now=member.now)
                member.say(change)
            case SessionChange() | EngineChange():
                self._apply_here(change)
        return is_known

    def _apply_here(self, change: Change) -> None:
        member = self.member
        if isinstance(change, Steer) and change.steering is Steering.END:
            self._replica.forget(change.key)
        member.apply(member.fleet.apply(change, now=member.now))
        if isinstance(change, Steer):
            self.upkeep.hurry()  # a change that was confirmed to an operator must outlive this process

    def _drain(self) -> None:
        """Refuse every request that waits or arrives here. Another gateway may lead from now on."""
        self.upkeep.leave()
        for ticket in self._replica.held:
            self.member.refuse(ticket, Outcome.DRAINING)

    # -- operators

    @property
    def manual(self) -> ManualSettings:
        """The manual settings, as far as this gateway has received them."""
        return self.member.manual

    def set_manual(self, manual: ManualSettings) -> None:
        """Replace the manual settings."""
        self.member.set_manual(manual)
        self.upkeep.hurry()

    async def call(self, call: Call) -> Reply:
        """Let the leader answer the call, or this gateway if it decides itself."""
        leader = self.member.status.leader
        if leader:
            return await self.member.calls.put(call, leader)
        if self.member.role is Role.FOLLOWING and call.method != "GET":
            raise LeaderSilent("No gateway leads at this moment. Ask again in a second.")
        return self.member.listener.on_call(call)

    # -- time

    def next_deadline(self) -> float | None:
        """The time at which `expire` must be called next, or None."""
        if self.member.role is not Role.FOLLOWING:
            return self.member.leader.next_deadline()
        deadline = self._replica.next_deadline()
        return None if deadline is None else deadline + LATE_S

    def expire(self) -> None:
        """Do everything that is due by now."""
        member = self.member
        if member.role is not Role.FOLLOWING:
            member.hand_on(member.leader.open(now=member.now))
            member.apply(member.fleet.expire(now=member.now))
            return
        for ticket in self._replica.overdue(now=member.now - LATE_S):
            member.refuse(ticket, Outcome.HOLD_TIMEOUT)
