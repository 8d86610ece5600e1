"""One gateway of a group, and its role: it leads, follows the gateway that leads, or goes on alone."""

import logging
from collections.abc import Generator, Sequence

from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.coordination.coordinator import CoordinatorParts, Role, Status
from concur_proxy.coordination.group.link import Link
from concur_proxy.coordination.group.messenger import Messenger
from concur_proxy.coordination.group.standing import begin_with, engines_of
from concur_proxy.coordination.group.taking_over import take_over
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.leader import Leader
from concur_proxy.coordination.protocol.manual import ManualSettings
from concur_proxy.coordination.protocol.messages import Standing

logger = logging.getLogger(__name__)

GRACE_S = 1.0
"""How long a new leader waits for the claims of all live gateways, seconds."""
SENIORITY_PER_TERM = 1 << 32
SAVED_AT_ONCE = 1_000
"""Changed sessions of which records are made in one step: about 10 ms of work."""


class Member(Messenger):
    """Decides for all gateways while this gateway leads, with its own `Leader`, and follows the leader otherwise. While
    the others cannot be reached, its own `Leader` decides for this gateway alone, with its share of the windows.
    """

    def __init__(self, parts: CoordinatorParts, link: Link) -> None:
        super().__init__(parts, link)
        self.standing: Standing | None = None
        """The state of the fleet, as the leader last reported it."""
        self.changes: set[str] = set()
        """Keys of the sessions to save for the next leader, while this gateway leads."""
        self.manual = ManualSettings()
        """The manual settings, as far as this gateway has received them."""

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

    # -- roles

    def leading(
        self, term: Term, standing: Standing | None, records: Sequence[SessionRecord], *, gone: str = ""
    ) -> Generator[None, None, None]:
        """Decide for all gateways, with what the last leader has saved, once all steps are taken: there can be many
        thousand sessions. Until then the requests of this gateway wait. `gone` is a leader that ended without a word.
        Its claims are not awaited: the places of its sessions are known.
        """
        logger.info("leading in term %s, with %d sessions", term.name, len(records))
        if records and (self.role is not Role.FOLLOWING or self.leader_name):  # also if it led in the term before
            self.follow(Term("", term.replicas))  # what the last leader has still sent is out of date
        self._take_manual(self._newest_manual(term, standing))
        self.standing = standing or self.standing
        fleet = self._make_fleet(after=term.number * SENIORITY_PER_TERM)
        if records:
            self.leader = Leader(fleet)  # so that changes of engines reach it
        self.changes = yield from take_over(records, fleet, now=self.now)
        self.leader = Leader(fleet, expected=term.replicas - {gone}, open_at=self.now + GRACE_S)
        self._begin(Role.LEADING, term.name)

    def follow(self, term: Term) -> None:
        """Let the term's leader decide from now on. While there is no leader, all requests wait."""
        logger.info("following %s", term.leader or "no gateway yet")
        self.leader = Leader(self._make_fleet())
        self.leader_name = term.leader or ""
        self._begin(Role.FOLLOWING, term.name)

    def go_alone(self, reason: str) -> None:
        """Decide for this gateway's own requests from now on. `reason` is logged."""
        logger.warning("%s", reason)
        replicas = 1 if self.standing is None else max(1, self.standing.replicas)
        self.leader = Leader(self._make_fleet(share=1.0 / replicas))
        self._begin(Role.ALONE, "")

    def _make_fleet(self, *, after: int = 0, share: float = 1.0) -> Fleet:
        """A fleet without sessions. It starts with what was last known about the engines, and with this share of the
        windows.
        """
        fleet = self.parts.make_fleet(after)
        if self.standing is not None:
            begin_with(fleet, self.standing, share=share, now=self.now)
        return fleet

    def _begin(self, role: Role, term: str) -> None:
        self.role = role
        self.inbox.clear()
        self.calls.give_up()
        self.link.enter(term, leads=role is Role.LEADING)
        self.listener.on_role(self.reads_engines, {} if self.standing is None else self.standing.laws)
        self._introduce()

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
        """Some of the sessions that changed, at most `SAVED_AT_ONCE`, to save for the next leader; None for one that is
        over. The others are in `changes` still.
        """
        changed = [self.changes.pop() for _ in range(min(SAVED_AT_ONCE, len(self.changes)))]
        # Single requests without a key are not saved.
        return {key: self.fleet.record(key, now=self.now) for key in changed if not key.startswith("\0")}

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
            begin_with(self.fleet, standing, share=1.0, now=self.now)
