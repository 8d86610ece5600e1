"""The connections of one worker to the others."""

from collections.abc import Mapping

from concur_proxy.admission.changes import Change
from concur_proxy.coordination.protocol.messages import Message
from concur_proxy.coordination.workers.connection import Connection


class WorkerLink:
    """Sends messages over the connection to the leader, or over the leader's connections to the followers. A connection
    lasts for one term at most. Without a connection a message is dropped: its receiver is gone, or this worker reports
    its open requests to the next leader.
    """

    def __init__(self, me: str) -> None:
        self.me = me
        self.leader: Connection | None = None
        self._followers: dict[str, Connection] = {}

    @property
    def followers(self) -> Mapping[str, Connection]:
        """The connections to the followers, by name, while this worker leads."""
        return self._followers

    def enter(self, term: str, *, leads: bool) -> None:
        """Does nothing: connections do not outlast a term."""

    def send(self, message: Message | Change, to: str | None = None) -> None:
        """Send a message to the leader, or from the leader to the follower `to`."""
        connection = self.leader if to is None else self._followers.get(to)
        if connection is not None:
            connection.send(message)

    def broadcast(self, message: Message, *, but: Connection | None = None) -> None:
        """Send a message from the leader to all followers except this one."""
        for connection in self._followers.values():
            if connection is not but:
                connection.send(message)

    def add(self, connection: Connection) -> None:
        """A follower has said its name. Its former connection is cut."""
        former = self._followers.get(connection.peer)
        if former is not None:
            former.abort()
        self._followers[connection.peer] = connection

    def remove(self, connection: Connection) -> bool:
        """A connection is lost. Returns whether it was a follower's."""
        if self._followers.get(connection.peer) is not connection:
            return False
        del self._followers[connection.peer]
        return True

    def part(self) -> list[Connection]:
        """Forget all connections, and return them."""
        parted = [*self._followers.values(), *(() if self.leader is None else (self.leader,))]
        self._followers.clear()
        self.leader = None
        return parted
