"""Several gateways in virtual time: the replicas and the leader of `coordination.protocol`, with a delay for Redis."""

from collections.abc import Callable
from functools import partial
from random import Random

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Change, EndSession
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol.leader import Leader, Post
from concur_proxy.coordination.protocol.messages import ToLeader, ToReplica
from concur_proxy.coordination.protocol.replica import Replica
from concur_proxy.lab.simulation.timeline import Timeline

HOP_S = 0.0005
"""Seconds from a replica through Redis to the leader, or back."""


class SimulatedReplicas:
    """Has the methods of a `Fleet`. A request arrives at a random replica, as through a load balancer, and the first
    replica leads. No call returns decisions; `on_decided` is called with them later.
    """

    def __init__(
        self,
        fleet: Fleet,
        timeline: Timeline,
        on_decided: Callable[[list[Ticket]], None],
        *,
        count: int,
        seed: int,
        hop_s: float = HOP_S,
    ) -> None:
        """`on_decided` is also called with an empty list after a message to the leader: deadlines may have changed."""
        self._timeline = timeline
        self._on_decided = on_decided
        self._hop_s = hop_s
        self._random = Random(seed)  # noqa: S311 - a reproducible balancer, not a secret
        self._leader = Leader(fleet)
        self._replicas = {f"replica-{number}": Replica() for number in range(count)}
        self._names = list(self._replicas)
        self._homes: dict[Ticket, str] = {}
        """The replica of each request, until the request has ended."""
        for name, replica in self._replicas.items():
            self._leader.receive(name, replica.join(now=timeline.now), now=timeline.now)

    def arrive(self, arrival: Arrival, *, now: float) -> tuple[Ticket, list[Ticket]]:
        """A request arrives."""
        name = self._random.choice(self._names)
        ticket, message = self._replicas[name].arrive(arrival, now=now)
        self._homes[ticket] = name
        self._say(name, message)
        return ticket, []

    def finish(self, ticket: Ticket, answered: Answered, *, now: float) -> list[Ticket]:
        """The request has ended."""
        name = self._homes.pop(ticket)
        message = self._replicas[name].finish(ticket, answered, now=now)
        if message is not None:
            self._say(name, message)
        return []

    def apply(self, change: Change, *, now: float) -> list[Ticket]:
        """Carry out a change at the leader. The end of a session is reported to a random replica."""
        if isinstance(change, EndSession):
            name = self._random.choice(self._names)
            self._replicas[name].forget(change.key)
            self._say(name, change)
            return []
        return self._decide(self._leader.fleet.apply(change, now=now))

    def expire(self, *, now: float) -> list[Ticket]:
        """Do everything at the leader that is due by now."""
        return self._decide(self._leader.fleet.expire(now=now))

    def next_deadline(self) -> float | None:
        """The time at which `expire` must be called next, or None."""
        return self._leader.next_deadline()

    def expected_wait(self, ticket: Ticket, *, now: float) -> tuple[int, float]:  # noqa: ARG002 - `Fleet`'s argument
        """The place in the queue of a ticket that waits or was just refused, and its probable wait in seconds."""
        return self._replicas[self._homes[ticket]].expected_wait(ticket)

    def _say(self, name: str, message: ToLeader) -> None:
        self._timeline.after(self._hop_from(name), partial(self._reach_leader, name, message))

    def _reach_leader(self, name: str, message: ToLeader) -> None:
        self._post(self._leader.receive(name, message, now=self._timeline.now))
        self._on_decided([])

    def _decide(self, decided: list[Ticket]) -> list[Ticket]:
        self._post(self._leader.post(decided, now=self._timeline.now))
        return []

    def _post(self, post: Post) -> None:
        for name, message in post:
            self._timeline.after(self._hop_from(name), partial(self._reach_replica, name, message))

    def _reach_replica(self, name: str, message: ToReplica) -> None:
        decided = self._replicas[name].receive((message,), now=self._timeline.now)
        if not decided:
            return
        self._on_decided(decided)
        for ticket in decided:
            if not ticket.is_in_flight:
                self._homes.pop(ticket, None)

    def _hop_from(self, name: str) -> float:
        return 0.0 if name == self._names[0] else self._hop_s
