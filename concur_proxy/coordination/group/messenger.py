"""The messages between a gateway of a group and the one that decides, on both sides."""

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import get_args

from concur_proxy.admission.changes import EndSession
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import CoordinatorParts, Listener, Role
from concur_proxy.coordination.group.calls import Calls, fit
from concur_proxy.coordination.group.inbox import Inbox
from concur_proxy.coordination.group.link import Link
from concur_proxy.coordination.protocol.leader import Leader, Post
from concur_proxy.coordination.protocol.messages import (
    AboutRequest,
    Ask,
    Decided,
    Held,
    Join,
    Overloaded,
    Rejoin,
    Standing,
    Told,
    ToLeader,
    ToReplica,
)
from concur_proxy.coordination.protocol.replica import Replica

logger = logging.getLogger(__name__)

MOST_ENDS = 10_000
"""Sessions that end while nobody leads, and that are reported to the next leader. Leases free the places of others."""

_TO_LEADER = get_args(ToLeader)
_TO_REPLICA = get_args(ToReplica)
_ABOUT_TICKETS = frozenset({Held, Decided})


class Messenger(ABC):
    """Sends this gateway's requests to where they are decided, and hands decisions on. The subclass knows the roles."""

    def __init__(self, parts: CoordinatorParts, link: Link) -> None:
        self.parts = parts
        self.link = link
        self.replica = Replica()
        self.role = Role.ALONE
        self.leader_name = ""
        """The gateway that leads, while this one follows; empty while no gateway leads."""
        self.tell: Callable[[list[Ticket]], None] = lambda _: None
        """Called with the requests of this gateway that were decided, and with an empty list after other events."""
        self.listener = Listener()
        self.calls = Calls(link.send)
        self.inbox: Inbox[ToLeader | ToReplica] = Inbox(self._take)
        """What other gateways have sent in this term. It is handled a little at a time."""
        self.leader = Leader(parts.make_fleet(0))
        self._ends: deque[EndSession] = deque(maxlen=MOST_ENDS)
        """Sessions that have ended while nobody leads."""
        self._join()

    @property
    def now(self) -> float:
        """Monotonic time in seconds."""
        return self.parts.clock()

    @abstractmethod
    def stand(self) -> Standing:
        """The state of the fleet, for the other gateways and for the next leader."""

    @abstractmethod
    def _learn(self, standing: Standing) -> None:
        """The leader has reported the state of the fleet."""

    def _take(self, sender: str, messages: Sequence[ToLeader | ToReplica]) -> None:
        """Handle what another gateway has sent: to the leader, while this gateway leads, or to a follower. After an
        unexpected error the sender's requests are reported again, because the messages behind it are lost.
        """
        try:
            if self.role is Role.LEADING:
                self._lead_on(sender, messages)
            else:
                self.hear([message for message in messages if isinstance(message, _TO_REPLICA)])
        except Exception:
            logger.exception("unexpected error, a defect in concur-proxy; continuing")
            if not any(isinstance(message, Join) for message in messages):
                self.rejoin(sender)

    def _lead_on(self, sender: str, messages: Sequence[ToLeader | ToReplica]) -> None:
        post: Post = []
        try:
            for message in messages:
                if isinstance(message, AboutRequest):
                    post += self.leader.receive(sender, message, now=self.now)
                else:
                    self.hand_on(post)
                    post = []
                    self._lead_on_other(sender, message)
        finally:
            self.hand_on(post)

    def _lead_on_other(self, sender: str, message: ToLeader | ToReplica) -> None:
        if isinstance(message, Overloaded):
            self.listener.on_overload(message.engine)
        elif isinstance(message, Ask):
            self.link.send(Told(number=message.number, reply=fit(self.listener.on_call(message.call))), sender)
        elif isinstance(message, _TO_LEADER):
            if isinstance(message, Join):  # the replica must know an added engine before it sends a request there
                self.link.send(self.stand(), sender)
            self.hand_on(self.leader.receive(sender, message, now=self.now))

    def say(self, message: ToLeader) -> None:
        """Send a message to the gateway that decides."""
        if self.role is not Role.FOLLOWING:
            self.hand_on(self.leader.receive(self.link.me, message, now=self.now))
        elif self.leader_name:
            self.link.send(message)
        elif isinstance(message, EndSession):
            self._ends.append(message)

    def apply(self, decided: list[Ticket]) -> None:
        """Report decisions of this gateway's fleet to the gateways whose requests they are."""
        self.hand_on(self.leader.post(decided, now=self.now))

    def hand_on(self, post: Post) -> None:
        """Deliver messages to the gateways. Those for this gateway are handled at once."""
        own: list[ToReplica] = []
        for replica, message in post:
            if replica == self.link.me:
                own.append(message)
            elif self.role is Role.LEADING:
                self.link.send(message, replica)
        if own:
            self.hear(own)
        else:
            self.tell([])

    def hear(self, messages: Sequence[ToReplica]) -> None:
        """Handle messages from the gateway that decides."""
        decided = self.replica.receive(messages, now=self.now)
        if not _ABOUT_TICKETS.issuperset(map(type, messages)):
            self._hear_others(messages)
        self.tell(decided)

    def _hear_others(self, messages: Sequence[ToReplica]) -> None:
        must_join = False
        for message in messages:
            if isinstance(message, Standing):
                self._learn(message)
            elif isinstance(message, Told):
                self.calls.told(message)
            must_join = must_join or isinstance(message, Rejoin)
        if must_join:
            self._join()

    def refuse(self, ticket: Ticket, outcome: Outcome) -> None:
        """End the wait of one of this gateway's requests."""
        message = self.replica.refuse(ticket, outcome, now=self.now)
        if message is not None:
            self.say(message)
            self.tell([ticket])

    def lose(self, replica: str) -> None:
        """Forget a replica that is gone, with its requests."""
        logger.warning("gateway %s is gone", replica)
        self.hand_on(self.leader.lose(replica, now=self.now))

    def rejoin(self, sender: str) -> None:
        """Report the open requests again, because messages of this sender are missing."""
        logger.warning("messages of gateway %s are missing", sender)
        if self.role is Role.LEADING:
            self.link.send(Rejoin(), sender)
        else:
            self._join()

    def report_again(self) -> None:
        """Messages may be lost. If they are for the leader, report the open requests again: it may still count some
        that have ended.
        """
        if self.role is Role.FOLLOWING:
            self._join()

    def _join(self) -> None:
        self.say(self.replica.join(now=self.now))

    def _introduce(self) -> None:
        """Report the open requests to a new leader, and then the sessions that have ended since the last one."""
        self._join()
        if self.role is not Role.FOLLOWING or self.leader_name:
            while self._ends:
                self.say(self._ends.popleft())
