"""The gateway that decides: a fleet, and which replica each of its tickets belongs to."""

from collections import deque
from collections.abc import Collection, Iterable
from itertools import islice

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.changes import EndSession, Reachable
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol.early import MOST_AT_ONCE, Early
from concur_proxy.coordination.protocol.messages import (
    Arrive,
    Claim,
    Decided,
    Finish,
    Held,
    Join,
    Rejoin,
    ToLeader,
    ToReplica,
)

Post = list[tuple[str, ToReplica]]
"""Messages, each with the replica that it is for."""


class Leader:
    """Applies the replicas' messages to the fleet, and answers with what the fleet has decided.

    A new leader knows no requests. It decides on no new request until the expected replicas have joined, because it
    could give away a place that a request in flight needs. It waits at most until `open_at`.

    Replicas can have thousands of open requests. Those that replicas report when they join, and those of a replica that
    is gone, are handled a few at a time: call `open` when `next_deadline` says so.
    """

    def __init__(self, fleet: Fleet, *, expected: Collection[str] = (), open_at: float = 0.0) -> None:
        self.fleet = fleet
        self._owners: dict[Ticket, tuple[str, int]] = {}
        self._tickets: dict[str, dict[int, Ticket]] = {}
        """The tickets of the replicas that have joined, by replica and by the replica's number."""
        self._joins: dict[str, int] = {}
        self._uncounted: dict[tuple[str, int], Claim] = {}
        """Requests in flight that replicas have reported, and that the fleet does not count yet. Until it does, no new
        request is decided.
        """
        self._early = Early(expected, open_at)
        self._abandoned: deque[Ticket] = deque()
        """Requests that have ended without a message, and that the fleet still counts."""

    @property
    def replicas(self) -> frozenset[str]:
        """The names of the replicas that have joined."""
        return frozenset(self._tickets)

    def tickets_of(self, replica: str) -> Collection[Ticket]:
        """The open requests of a replica, as far as the leader knows them."""
        return self._tickets.get(replica, {}).values()

    def receive(self, replica: str, message: ToLeader, *, now: float) -> Post:
        """Handle a message from a replica."""
        if isinstance(message, Join):
            return self._join(replica, message, now) + self.open(now=now)
        if replica not in self._tickets:
            return [(replica, Rejoin())]
        post: Post = []
        match message:
            case Arrive():
                return self._arrive(replica, message.claim, now)
            case Finish():
                return self._finish(replica, message, now)
            case EndSession():
                post = self.post(self.fleet.apply(message, now=now), now=now)
            case Reachable():
                decided = self.fleet.apply(message, now=now) + self.fleet.expire(now=now)
                post = self.post(decided, now=now)
        return post

    def open(self, *, now: float) -> Post:
        """Count some reported requests, forget some abandoned ones, and decide on some that arrived early, unless
        replicas are still expected.
        """
        post: Post = []
        for replica, number in list(islice(self._uncounted, MOST_AT_ONCE)):
            post += self._count(replica, number, now)
        for _ in range(min(MOST_AT_ONCE, len(self._abandoned))):
            post += self.post(self.fleet.finish(self._abandoned.popleft(), Answered(), now=now), now=now)
        if self._uncounted:
            return post
        for replica, claim, waited_s in self._early.take(now, self._seniority):
            if replica in self._tickets:
                post += self._hold(replica, claim, now, waited_s=waited_s)
        return post

    def next_deadline(self) -> float | None:
        """The next time at which something happens without another event, or None."""
        is_busy = self._abandoned or self._uncounted
        at_fleet, here = self.fleet.next_deadline(), 0.0 if is_busy else self._early.next_due()
        if at_fleet is None or here is None:
            return here if at_fleet is None else at_fleet
        return min(at_fleet, here)

    def lose(self, replica: str, *, now: float) -> Post:
        """Forget a replica that is gone, and its requests. Their sessions keep their places until their leases end."""
        self._early.lose(replica)
        self._drop_uncounted(replica)
        self._joins.pop(replica, None)
        self._abandon(self._tickets.pop(replica, {}).values())
        return self.open(now=now)

    def post(self, decided: Iterable[Ticket], *, now: float) -> Post:
        """The messages about tickets that the fleet has decided."""
        post: Post = []
        for ticket in decided:
            owner = self._owners.get(ticket)
            if owner is None:
                continue
            replica, number = owner
            if ticket.outcome is not Outcome.ADMITTED:
                self._forget(ticket)
            post.append((replica, self._decision(ticket, replica, number, now)))
        return post

    def _seniority(self, claim: Claim) -> float:
        """The seniority of the claim's session. Its replica does not know it if the last leader's word was lost."""
        known, key = claim.seniority, claim.arrival.key
        if known is None and key is not None:
            known = self.fleet.seniority_of(key)
        return float("inf") if known is None else known

    def _arrive(self, replica: str, claim: Claim, now: float) -> Post:
        if self._uncounted or self._early.takes(now):
            self._early.add(replica, claim, now)
            return self.open(now=now)
        return self._hold(replica, claim, now)

    def _hold(self, replica: str, claim: Claim, now: float, *, waited_s: float = 0.0) -> Post:
        if claim.number in self._tickets[replica]:
            return []  # a message came twice: it was sent again because Redis was slow to confirm it
        arrival, waited_s = claim.arrival, claim.waited_s + waited_s
        if waited_s:
            arrival = arrival.after(waited_s)
        ticket, decided = self.fleet.arrive(arrival, now=now, seniority=claim.seniority)
        self._own(ticket, replica, claim.number)
        post = self.post(decided, now=now)
        if ticket.is_held:
            position, wait_s = self.fleet.expected_wait(ticket, now=now)
            held = Held(
                join=self._joins[replica],
                number=claim.number,
                seniority=ticket.session.seniority,
                position=position,
                wait_s=wait_s,
                recognised_by=ticket.recognised_by,
                session=_name_of(ticket),
            )
            post.append((replica, held))
        return post

    def _finish(self, replica: str, message: Finish, now: float) -> Post:
        self._early.drop(replica, message.number)
        post = self._count(replica, message.number, now)
        ticket = self._tickets[replica].pop(message.number, None)
        if ticket is None:
            return post
        self._owners.pop(ticket, None)
        decided = self.fleet.finish(ticket, message.answered, now=now)
        return post + self.post(decided, now=now) if decided else post

    def _join(self, replica: str, message: Join, now: float) -> Post:
        self._joins[replica] = message.join
        self._drop_uncounted(replica)
        known = self._tickets.get(replica, {})
        claimed = {claim.number: claim for claim in message.claims}
        for number, ticket in list(known.items()):
            claim = claimed.get(number)
            if claim is None or (claim.engine and not (ticket.is_in_flight and ticket.engine == claim.engine)):
                self._forget(ticket)
                self._abandon([ticket])
        known = self._tickets.setdefault(replica, known)
        post: Post = []
        early: list[Claim] = []
        for claim in claimed.values():
            same = known.get(claim.number)
            if same is not None:
                if same.is_in_flight and not claim.engine:
                    # The replica has not received the decision.
                    post.append((replica, self._decision(same, replica, claim.number, now)))
            elif claim.engine:
                self._uncounted[replica, claim.number] = claim
            else:
                early.append(claim)
        self._early.join(replica, early, now)
        return post

    def _count(self, replica: str, number: int, now: float) -> Post:
        """Count a request in flight that a replica has reported, if that is still to do."""
        if not self._uncounted or (claim := self._uncounted.pop((replica, number), None)) is None:
            return []
        if claim.engine not in self.fleet.gates:
            return []  # this leader does not have the engine, so nothing depends on the request's end
        ticket, decided = self.fleet.claim(claim.arrival, engine=claim.engine, seniority=claim.seniority, now=now)
        self._own(ticket, replica, number)
        return self.post(decided, now=now)

    def _drop_uncounted(self, replica: str) -> None:
        self._uncounted = {key: claim for key, claim in self._uncounted.items() if key[0] != replica}

    def _abandon(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            self._owners.pop(ticket, None)
            self._abandoned.append(ticket)

    def _decision(self, ticket: Ticket, replica: str, number: int, now: float) -> Decided:
        position, wait_s = (1, 0.0)
        if ticket.outcome is not Outcome.ADMITTED:
            position, wait_s = self.fleet.expected_wait(ticket, now=now)
        assert ticket.outcome is not None  # noqa: S101 - it is decided
        return Decided(
            join=self._joins[replica],
            number=number,
            outcome=ticket.outcome._value_,  # `value` is a function in Python, and this is done for each request
            found=ticket.found._value_,
            engine=ticket.engine,
            seniority=ticket.session.seniority,
            position=position,
            wait_s=wait_s,
            recognised_by=ticket.recognised_by,
            session=_name_of(ticket),
        )

    def _own(self, ticket: Ticket, replica: str, number: int) -> None:
        self._owners[ticket] = (replica, number)
        self._tickets[replica][number] = ticket

    def _forget(self, ticket: Ticket) -> None:
        owner = self._owners.pop(ticket, None)
        if owner is not None:
            self._tickets.get(owner[0], {}).pop(owner[1], None)


def _name_of(ticket: Ticket) -> str:
    return "" if ticket.session.one_shot else ticket.session.key
