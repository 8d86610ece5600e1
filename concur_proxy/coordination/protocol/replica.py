"""One gateway's own requests, wherever they are decided."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Holds, Ticket
from concur_proxy.coordination.protocol.messages import Arrive, Claim, Decided, Finish, Held, Join, ToReplica
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.whereabouts import PromptRole

REMEMBERED_SESSIONS = 20_000
"""A replica remembers the seniority of this many sessions, for a leader that does not know them."""
REMEMBERED_REFUSALS = 1_000
"""A replica remembers the expected wait of this many refused tickets."""

_ABOUT_TICKETS = (Held, Decided)
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_STATES = {state.value: state for state in SessionState}
_MAIN = Member("", "")
"""Stands for the conversation of every ticket: only the leader knows it."""


@dataclass(slots=True)
class _InHand:
    ticket: Ticket
    wait: tuple[int, float] = (1, 0.0)
    """Place in the queue and probable wait in seconds, as the leader last reported them."""


class Replica:
    """The open requests of this gateway, and what the leader has reported about them. It numbers its tickets itself."""

    def __init__(self) -> None:
        self._in_hand: dict[int, _InHand] = {}
        self._seniority: OrderedDict[str, int] = OrderedDict()
        self._refused: OrderedDict[Ticket, tuple[int, float]] = OrderedDict()
        self._holds = Holds()
        self._last = self._joins = 0

    def __len__(self) -> int:
        return len(self._in_hand)

    @property
    def held(self) -> list[Ticket]:
        """Its waiting requests."""
        return list(self._holds)

    @property
    def released(self) -> list[Ticket]:
        """Its requests in flight."""
        return [entry.ticket for entry in self._in_hand.values() if entry.ticket.is_in_flight]

    def knows(self, key: str) -> bool:
        """Whether this gateway has had a request of the session, and the session has not ended since."""
        return key in self._seniority

    def forget(self, key: str) -> None:
        """Forget the session, because it has ended."""
        self._seniority.pop(key, None)

    def arrive(self, arrival: Arrival, *, now: float) -> tuple[Ticket, Arrive]:
        """A request arrives. Returns its ticket and the message for the leader."""
        self._last += 1
        key = arrival.key
        seniority = 0 if key is None else self._seniority.get(key, 0)
        session = Session(
            key=key or "",
            seniority=seniority,
            one_shot=key is None,
            now=now,
            model=arrival.model,
            tenant=arrival.tenant,
            weight=arrival.weight,
            priority=arrival.priority,
        )
        ticket = Ticket(session=session, number=self._last, arrival=arrival, now=now, member=_MAIN)
        self._holds.add(ticket)
        entry = self._in_hand[ticket.number] = _InHand(ticket)
        return ticket, Arrive(claim=_claim(entry, now))

    def finish(self, ticket: Ticket, answered: Answered, *, now: float) -> Finish | None:
        """A request has ended, whether it was waiting or in flight. Returns the message for the leader, or None if the
        leader knows already.
        """
        if ticket.is_held:
            return self.refuse(ticket, Outcome.CLIENT_GONE, now=now)
        if self._in_hand.pop(ticket.number, None) is None:
            return None
        ticket.finished = True
        return Finish(number=ticket.number, answered=answered)

    def refuse(self, ticket: Ticket, outcome: Outcome, *, now: float) -> Finish | None:
        """End the wait of a request, whatever the leader decides later. Returns the message for the leader, or None if
        the request does not wait.
        """
        if not ticket.is_held or ticket.number not in self._in_hand:
            return None
        self._holds.remove(ticket)
        ticket.outcome, ticket.decided_at = outcome, now
        self._let_go(ticket)
        return Finish(number=ticket.number, answered=Answered(client_gone=True))

    def next_deadline(self) -> float | None:
        """The next deadline of a waiting request, or None."""
        first = self._holds.first()
        return None if first is None else first.deadline

    def overdue(self, *, now: float) -> list[Ticket]:
        """Waiting requests past their deadlines: the leader should have ended them, but is silent."""
        return self._holds.due(now)

    def join(self, *, now: float) -> Join:
        """Report all open requests to a leader that does not know them."""
        self._joins += 1
        return Join(join=self._joins, claims=tuple(_claim(entry, now) for entry in self._in_hand.values()))

    def receive(self, messages: Iterable[ToReplica], *, now: float) -> list[Ticket]:
        """Handle messages from the leader. Returns the tickets that they decided."""
        decided = []
        for message in messages:
            if not isinstance(message, _ABOUT_TICKETS) or message.join != self._joins:
                continue
            entry = self._in_hand.get(message.number)
            if entry is None or entry.ticket.outcome is not None:
                continue
            ticket, key = entry.ticket, entry.ticket.arrival.key
            ticket.session.seniority = message.seniority
            ticket.recognised_by = message.recognised_by or ticket.recognised_by
            entry.wait = (message.position, message.wait_s)
            if message.session and (key is None or ticket.recognised_by):
                ticket.session.key, ticket.session.one_shot = message.session, False
            if key is not None and not ticket.recognised_by:
                self._remember(key, message.seniority)
            if isinstance(message, Decided):
                self._holds.remove(ticket)
                ticket.outcome, ticket.engine, ticket.decided_at = _OUTCOMES[message.outcome], message.engine, now
                ticket.found = _STATES[message.found]
                if ticket.outcome is not Outcome.ADMITTED:
                    self._let_go(ticket)
                decided.append(ticket)
        return decided

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """The place in the queue of a ticket that waits or was refused, and its probable wait in seconds, as the leader
        last reported them.
        """
        entry = self._in_hand.get(ticket.number)
        return self._refused.get(ticket, (1, 0.0)) if entry is None else entry.wait

    def _let_go(self, ticket: Ticket) -> None:
        self._refused[ticket] = self._in_hand.pop(ticket.number).wait
        if len(self._refused) > REMEMBERED_REFUSALS:
            self._refused.popitem(last=False)

    def _remember(self, key: str, seniority: int) -> None:
        self._seniority[key] = seniority
        self._seniority.move_to_end(key)
        if len(self._seniority) > REMEMBERED_SESSIONS:
            self._seniority.popitem(last=False)


def _claim(entry: _InHand, now: float) -> Claim:
    ticket, arrival = entry.ticket, entry.ticket.arrival
    if not ticket.session.one_shot and ticket.session.key != arrival.key:
        # The next leader may know the prompt already, as that of a request that has ended.
        role = PromptRole.NEVER
        arrival = replace(arrival, key=ticket.session.key, member="", parent="", parent_key=None, prompt_role=role)
    return Claim(
        number=ticket.number,
        arrival=arrival,
        seniority=ticket.session.seniority or None,
        engine=ticket.engine if ticket.is_in_flight else "",
        waited_s=now - ticket.arrived_at,
    )
