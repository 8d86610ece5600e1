"""A leader and its replicas that talk to each other directly: every message arrives at once."""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol.leader import Leader, Post
from concur_proxy.coordination.protocol.messages import ToLeader, ToReplica
from concur_proxy.coordination.protocol.replica import Replica


class Conversation:
    """One leader, and replicas by name."""

    def __init__(self, leader: Leader, *names: str) -> None:
        self.leader = leader
        self.replicas = {name: Replica() for name in names}
        self.said: list[ToReplica] = []
        """All messages of the leader, the oldest first."""
        self.decided: list[Ticket] = []
        """Tickets that a message of the leader has decided."""

    def deliver(self, post: Post, *, now: float) -> None:
        for name, message in post:
            self.said.append(message)
            self.decided += self.replicas[name].receive([message], now=now)

    def say(self, name: str, message: ToLeader | None, *, now: float) -> None:
        if message is not None:
            self.deliver(self.leader.receive(name, message, now=now), now=now)

    def join(self, *names: str, now: float = 0.0) -> None:
        for name in names or self.replicas:
            self.say(name, self.replicas[name].join(now=now), now=now)

    def arrive(self, name: str, key: str | None, *, now: float, hold_s: float = 60.0) -> Ticket:
        arrival = Arrival(key=key, body_bytes=400, hold_s=hold_s)
        ticket, message = self.replicas[name].arrive(arrival, now=now)
        self.say(name, message, now=now)
        return ticket

    def finish(self, name: str, ticket: Ticket, *, now: float, client_gone: bool = False) -> None:
        message = self.replicas[name].finish(ticket, Answered(client_gone=client_gone), now=now)
        self.say(name, message, now=now)
