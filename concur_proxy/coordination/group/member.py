"""One gateway of a group: sends its requests to the gateway that decides, and follows a change of the leader."""

import logging
from collections.abc import Callable, Generator, Sequence
from typing import Protocol, get_args

from concur_proxy.admission.changes import Change
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import CoordinatorParts, Listener, Role, Status
from concur_proxy.coordination.group.calls import Calls, fit
from concur_proxy.coordination.group.inbox import Inbox
from concur_proxy.coordination.group.standing import begin_with, engines_of
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.leader import Leader, Post
from concur_proxy.coordination.protocol.manual import ManualSettings
from concur_proxy.coordination.protocol.messages import (
    AboutRequest,
    Ask,
    Decided,
    Held,
    Join,
    Message,
    Overloaded,
    Rejoin,
    Standing,
    Told,
    ToLeader,
    ToReplica,
)
from concur_proxy.coordination.protocol.replica import Replica

logger = logging.getLogger(__name__)

GRACE_S = 1.0
"""How long a new leader waits for the claims of all live gateways, seconds."""
SENIORITY_PER_TERM = 1 << 32

_TO_LEADER = get_args(ToLeader)
_TO_REPLICA = get_args(ToReplica)
_ABOUT_TICKETS = frozenset({Held, Decided})


class Link(Protocol):
    """How messages travel. None of its methods blocks or raises."""

    @property
    def me(self) -> str:
        """This gateway's name."""
        ...

    def enter(self, term: str, *, leads: bool) -> None:
        """Send and receive the messages of this term only, and drop unsent messages of the last one."""
        ...

    def send(self, message: Message | Change, to: str | None = None) -> None:
        """Send a message to the leader, or a message from the leader to the replica `to`."""
        ...


class Member:
    """Sends this gateway's requests to where they are decided: to the leader through the link, or to its own `Leader`.
    Its own `Leader` decides for all gateways while this gateway leads. It decides for this gateway alone, with its
    share of the windows, while the others cannot be reached.
    """

    def __init__(self, parts: CoordinatorParts, link: Link) -> None:
        self.parts = parts
        self.link = link
        self.replica = Replica()
        self.role = Role.ALONE
        self.leader_name = ""
        """The gateway that leads, while this one follows; empty while no gateway leads."""
        self.standing: Standing | None = None
        """The state of the fleet, as the leader last reported it."""
        self.changes: set[str] = set()
        """Keys of the sessions to save for the next leader, while this gateway leads."""
        self.tell: Callable[[list[Ticket]], None] = lambda _: None
        """Called with the requests of this gateway that were decided, and with an empty list after other events."""
        self.listener = Listener()
        self.manual = ManualSettings()
        """The manual settings, as far as this gateway has received them."""
        self.calls = Calls(link.send)
        self.inbox: Inbox[ToLeader | ToReplica] = Inbox(self._take)
        """What other gateways have sent in this term. It is handled a little at a time."""
        self.leader = Leader(parts.make_fleet(0))
        self._join()

    @property
    def now(self) -> float:
        """Monotonic time in seconds."""
        return self.parts.clock()

    @property
    def fleet(self) -> Fleet:
        """The fleet that decides. While another gateway leads, this is a fleet that only knows the engines. It has no
        sessions, unless this gateway is about to lead.
        """
        return self.leader.fleet

    @property
    def reads_engines(self) -> bool:
        """Whether this gateway moves the windows: it leads, or it is alone and has never known a leader."""
        return self.role is Role.LEADING or (self.role is Role.ALONE and self.standing is None)

    @property
    def status(self) -> Status:
        """Who decides, as last reported."""
        return Status(
            role=self.role,
            leader=self.leader_name if self.role is Role.FOLLOWING else "",
            replicas=1 if self.standing is None else self.standing.replicas,
            leads=self.reads_engines,
        )

    # -- messages

    def _take(self, sender: str, messages: Sequence[ToLeader | ToReplica]) -> None:
        """Handle what another gateway has sent: to the leader, while this gateway leads, or to a follower."""
        if self.role is not Role.LEADING:
            self.hear([message for message in messages if isinstance(message, _TO_REPLICA)])
            return
        post: Post = []
        try:
            for message in messages:
                if isinstance(message, AboutRequest):
                    post += self.leader.receive(sender, message, now=self.now)
                else:
                    self.hand_on(post)
                    post = []
                    self._take_other(sender, message)
        finally:
            self.hand_on(post)

    def _take_other(self, sender: str, message: ToLeader | ToReplica) -> None:
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
        if self.role is Role.FOLLOWING:
            self.link.send(message)
        else:
            self.hand_on(self.leader.receive(self.link.me, message, now=self.now))

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

    # -- roles

    def leading(
        self, term: Term, standing: Standing | None, records: Sequence[SessionRecord], *, gone: str = ""
    ) -> Generator[None, None, None]:
        """Decide for all gateways, with what the last leader has saved, once all steps are taken: there can be many
        thousand sessions. Until then the requests of this gateway wait. `gone` is a leader that ended without a word.
        Its claims are not awaited: the places of its sessions are known.
        """
        logger.info("leading in term %s, with %d sessions", term.name, len(records))
        if records and self.role is not Role.FOLLOWING:  # also if this gateway led in the term before
            self.follow(Term("", term.replicas))
        began_at = self.now
        self._take_manual(self._newest_manual(term, standing))
        fleet = self.parts.make_fleet(term.number * SENIORITY_PER_TERM)
        if records:
            self.leader = Leader(fleet)  # so that changes of engines reach it
        for record in sorted(records, key=lambda record: -record.idle_s):
            fleet.restore(record, now=began_at)
            yield
        self.changes = set()
        fleet.note_changes(self.changes)
        self.standing = standing or self.standing
        self.leader = Leader(fleet, expected=term.replicas - {gone}, open_at=self.now + GRACE_S)
        self._begin(Role.LEADING, term.name)

    def follow(self, term: Term) -> None:
        """Let the term's leader decide from now on. While there is no leader, all requests wait."""
        logger.info("following %s", term.leader or "no gateway yet")
        self.leader = Leader(self.parts.make_fleet(0))
        self.leader_name = term.leader or ""
        self._begin(Role.FOLLOWING, term.name)

    def go_alone(self, reason: str) -> None:
        """Decide for this gateway's own requests from now on. `reason` is logged."""
        logger.warning("%s", reason)
        self.leader = Leader(self.parts.make_fleet(0))
        self._begin(Role.ALONE, "")

    def _begin(self, role: Role, term: str) -> None:
        self.role = role
        self.inbox.clear()
        self.calls.give_up()
        self.link.enter(term, leads=role is Role.LEADING)
        if self.standing is not None:
            self._begin_with(self.standing)
        self.listener.on_role(self.reads_engines, {} if self.standing is None else self.standing.laws)
        self._join()

    def _join(self) -> None:
        self.say(self.replica.join(now=self.now))

    # -- manual settings

    def set_manual(self, manual: ManualSettings) -> None:
        """Replace the manual settings. Other gateways receive them before any decision that depends on them."""
        self.manual = manual
        if self.role is Role.LEADING:
            self.publish()
        self.listener.on_manual(manual)

    def _take_manual(self, manual: ManualSettings) -> None:
        self.manual = manual
        self.listener.on_manual(manual)

    def _newest_manual(self, term: Term, standing: Standing | None) -> ManualSettings:
        """The manual settings for a new leader: the saved ones, unless this gateway knows newer ones."""
        if standing is None or standing.manual.revision <= self.manual.revision:
            return self.manual
        is_new = self.standing is None and term.replicas <= {self.link.me}  # no gateway that knew them is left
        return self.manual if is_new else standing.manual

    # -- engines

    def publish(self) -> Standing:
        """Send the state of the fleet to the other gateways."""
        self.standing = standing = self.stand()
        for replica in self.leader.replicas - {self.link.me}:
            self.link.send(standing, replica)
        return standing

    def take_changes(self) -> dict[str, SessionRecord | None]:
        """The sessions that changed since the last call, to save for the next leader; None for one that is over."""
        # Single requests without a key are not saved.
        changed = [key for key in self.changes if not key.startswith("\0")]
        self.changes.clear()
        return {key: self.fleet.record(key, now=self.now) for key in changed}

    def stand(self) -> Standing:
        """The state of the fleet, for the other gateways and for the next leader."""
        replicas = max(1, len(self.leader.replicas))
        return Standing(
            engines=engines_of(self.fleet), replicas=replicas, laws=self.parts.law_states(), manual=self.manual
        )

    def _learn(self, standing: Standing) -> None:
        self.standing = standing
        if self.role is Role.FOLLOWING:
            self._take_manual(standing.manual)
            self._begin_with(standing)

    def _begin_with(self, standing: Standing) -> None:
        """Start with what was last known about the engines; alone, with this gateway's share of the windows."""
        share = 1.0 / max(1, standing.replicas) if self.role is Role.ALONE else 1.0
        begin_with(self.fleet, standing, share=share, now=self.now)
