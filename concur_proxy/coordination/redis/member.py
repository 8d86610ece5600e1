"""One replica among others: who decides on its requests, and what changes when somebody else does."""

import logging
from collections.abc import Callable, Sequence

from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.record import SessionRecord
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.by_hand import ByHand
from concur_proxy.coordination.protocol.leader import Leader, Post
from concur_proxy.coordination.protocol.messages import EngineStanding, Rejoin, Standing, Told, ToLeader, ToReplica
from concur_proxy.coordination.protocol.replica import Replica
from concur_proxy.coordination.redis.calls import Calls
from concur_proxy.coordination.redis.link import RedisLink, Term
from concur_proxy.coordination.role import Role
from concur_proxy.coordination.store import OnDecided, OnRole, StoreParts

logger = logging.getLogger(__name__)

GRACE_S = 1.0
"""How long a new leader waits for the claims of all that live."""
RANKS_PER_TERM = 1 << 32


class Member:
    """Puts this process' requests to whoever decides: to the leader through the link, or to a `Leader` of its own,
    which decides for all, or in a share of the windows for this process alone.
    """

    def __init__(self, parts: StoreParts, link: RedisLink) -> None:
        self.parts = parts
        self.link = link
        self.replica = Replica()
        self.role = Role.ALONE
        self.leader_name = ""
        """The replica that leads, while this one follows; empty while there is none."""
        self.standing: Standing | None = None
        """How the fleet stood when that was last heard."""
        self.changes: set[str] = set()
        """Keys of the sessions that the next leader has to be told of, while this process leads."""
        self.tell: OnDecided = lambda _: None
        self.on_role: OnRole = lambda *_: None
        self.by_hand = ByHand()
        """What people have set, as last heard."""
        self.on_by_hand: Callable[[ByHand], None] = lambda _: None
        self.calls = Calls(link.send)
        self.leader = Leader(parts.make_fleet(0))
        self._join()

    @property
    def now(self) -> float:
        """Seconds of the store's clock."""
        return self.parts.clock()

    @property
    def fleet(self) -> Fleet:
        """The fleet that decides, or while another process leads, one without sessions that knows the engines."""
        return self.leader.fleet

    @property
    def reads_engines(self) -> bool:
        """Whether this process moves the windows: as the leader, or where it is alone and never heard of any."""
        return self.role is Role.LEADING or (self.role is Role.ALONE and self.standing is None)

    # -- messages

    def say(self, message: ToLeader) -> None:
        """Tell whoever decides."""
        if self.role is Role.FOLLOWING:
            self.link.send(message)
        else:
            self.hand_on(self.leader.receive(self.link.me, message, now=self.now))

    def apply(self, decided: list[Ticket]) -> None:
        """Tell all of what the fleet here has decided."""
        self.hand_on(self.leader.post(decided, now=self.now))

    def hand_on(self, post: Post) -> None:
        """Give each replica its messages, this one as well."""
        own: list[ToReplica] = []
        for replica, message in post:
            if replica == self.link.me:
                own.append(message)
            elif self.role is Role.LEADING:
                self.link.send(message, replica)
        self.hear(own)

    def hear(self, messages: Sequence[ToReplica]) -> None:
        """Whoever decides says something."""
        decided = self.replica.receive(messages, now=self.now)
        for message in messages:
            if isinstance(message, Standing):
                self._learn(message)
            elif isinstance(message, Told):
                self.calls.told(message)
        if any(isinstance(message, Rejoin) for message in messages):
            self._join()
        self.tell(decided)

    def refuse(self, ticket: Ticket, outcome: Outcome) -> None:
        """Hold one of the own requests no longer."""
        message = self.replica.refuse(ticket, outcome, now=self.now)
        if message is not None:
            self.say(message)
            self.tell([ticket])

    def lose(self, replica: str) -> None:
        """A replica is gone, and the requests with it that it had in hand."""
        logger.warning("replica %s is gone", replica)
        self.hand_on(self.leader.lose(replica, now=self.now))

    def rejoin(self, sender: str) -> None:
        """Messages of this sender are missing: what is in hand is to be said anew."""
        logger.warning("messages of %s are missing", sender)
        if self.role is Role.LEADING:
            self.link.send(Rejoin(), sender)
        else:
            self._join()

    # -- roles

    def lead(
        self, term: Term, standing: Standing | None, records: Sequence[SessionRecord], *, before: str = ""
    ) -> None:
        """Decide for all from now on, with what the leader before, whose name is `before`, has written down. It is not
        waited for: probably it is gone, and the places of its sessions are known.
        """
        logger.info("leading in term %s, with %d sessions", term.name, len(records))
        now = self.now
        self._take_by_hand(self._newest_by_hand(term, standing))
        fleet = self.parts.make_fleet(term.number * RANKS_PER_TERM)
        for record in sorted(records, key=lambda record: -record.idle_s):
            fleet.restore(record, now=now)
        self.changes = set()
        fleet.note_changes(self.changes)
        self.standing = standing or self.standing
        self.leader = Leader(fleet, expected=term.replicas - {before}, open_at=now + GRACE_S)
        self._begin(Role.LEADING, term.name)

    def follow(self, term: Term) -> None:
        """Let the term's leader decide from now on; nobody does, and all waits, until there is one."""
        logger.info("following %s", term.leader or "nobody yet")
        self.leader = Leader(self.parts.make_fleet(0))
        self.leader_name = term.leader or ""
        self._begin(Role.FOLLOWING, term.name)

    def go_alone(self, reason: str) -> None:
        """Decide for this process' own requests from now on."""
        logger.warning("Redis cannot be reached, going on alone: %s", reason)
        self.leader = Leader(self.parts.make_fleet(0))
        self._begin(Role.ALONE, "")

    def _begin(self, role: Role, term: str) -> None:
        self.role = role
        self.calls.give_up()
        self.link.enter(term, leads=role is Role.LEADING)
        if self.standing is not None:
            self._take(self.standing)
        self.on_role(self.reads_engines, {} if self.standing is None else self.standing.laws)
        self._join()

    def _join(self) -> None:
        self.say(self.replica.join(now=self.now))

    # -- what people have set

    def set_by_hand(self, by_hand: ByHand) -> None:
        """They have, here. The others hear of it before anything that is decided thereby."""
        self.by_hand = by_hand
        if self.role is Role.LEADING:
            self.publish()
        self.on_by_hand(by_hand)

    def _take_by_hand(self, by_hand: ByHand) -> None:
        self.by_hand = by_hand
        self.on_by_hand(by_hand)

    def _newest_by_hand(self, term: Term, standing: Standing | None) -> ByHand:
        """What holds when this replica begins to lead: what was written down, unless it knows of something later."""
        if standing is None or standing.by_hand is None or standing.by_hand.revision <= self.by_hand.revision:
            return self.by_hand
        is_new = self.standing is None and term.replicas <= {self.link.me}  # nobody is left who has known it
        return self.by_hand if is_new else standing.by_hand

    # -- engines

    def publish(self) -> Standing:
        """Tell the others how the fleet stands."""
        self.standing = standing = self.stand()
        for replica in self.leader.replicas - {self.link.me}:
            self.link.send(standing, replica)
        return standing

    def stand(self) -> Standing:
        """How the fleet stands, for the others and for the next leader."""
        engines = {}
        for engine, gate in self.fleet.gates.items():
            snapshot, models = gate.snapshot(), self.fleet.models_of(engine)
            engines[engine] = EngineStanding(
                window=None if snapshot.window == float("inf") else snapshot.window,
                budget=gate.budget,
                is_up=engine not in self.fleet.down,
                models=None if models is None else tuple(sorted(models)),
                lease_s=snapshot.lease_s,
            )
        replicas = max(1, len(self.leader.replicas))
        return Standing(engines=engines, replicas=replicas, laws=self.parts.law_states(), by_hand=self.by_hand)

    def _learn(self, standing: Standing) -> None:
        self.standing = standing
        if self.role is Role.FOLLOWING:
            if standing.by_hand is not None:
                self._take_by_hand(standing.by_hand)
                self.calls.open()
            self._take(standing)

    def _take(self, standing: Standing) -> None:
        """Begin with what was last known of the engines: with all of the windows, or alone with a share of them."""
        share = 1.0 / max(1, standing.replicas) if self.role is Role.ALONE else 1.0
        for engine, known in standing.engines.items():
            if engine not in self.fleet.gates:
                continue
            self.fleet.serve(engine, known.models)
            (self.fleet.mark_up if known.is_up else self.fleet.mark_down)(engine)
            if known.lease_s is not None:
                self.fleet.gates[engine].begin_with_lease(known.lease_s)
            window = float("inf") if known.window is None else max(1.0, known.window * share)
            budget = known.budget
            if budget is not None:
                budget = Budget(tokens=budget.tokens * share, reserve_turns=budget.reserve_turns)
            self.fleet.resize(engine, window, budget=budget, now=self.now)
