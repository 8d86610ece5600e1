"""A request's ticket: its way from arrival to end."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.recognition.member import Member

if TYPE_CHECKING:
    from concur_proxy.admission.session import Session

MOST_LEFT = 64
"""Deadlines of removed tickets that are kept in any case: to drop them takes a look at all."""


class Ticket:
    """A request waits (`outcome` is None) until it is decided. If it is admitted, it is in flight until it is finished.

    A session may have several tickets, which are independent of each other.
    """

    __slots__ = (
        "arrival",
        "arrived_at",
        "cache",
        "deadline",
        "decided_at",
        "engine",
        "finished",
        "found",
        "member",
        "number",
        "outcome",
        "promised_tokens",
        "reading",
        "recognised_by",
        "session",
        "was_alone",
    )

    def __init__(
        self, *, session: "Session", number: int, arrival: Arrival, now: float, member: Member | None = None
    ) -> None:
        self.session = session
        self.member = Member(session.key, "") if member is None else member
        """The conversation that the request belongs to, one of the session's members."""
        self.found = session.state
        """The state of the session when the request arrived."""
        self.number = number
        """Order of arrival among all tickets of a fleet. It orders tickets with equal deadlines."""
        self.arrival = arrival
        self.arrived_at = now
        self.deadline = now + arrival.hold_s
        """When the wait ends with `HOLD_TIMEOUT`, monotonic seconds."""
        self.outcome: Outcome | None = None
        self.decided_at: float | None = None
        self.engine = ""
        """The engine whose gate decided the ticket; empty while it waits."""
        self.finished = False
        self.was_alone = False
        """Whether the gate had no other request at the engine when this one was admitted."""
        self.reading = 0
        """How often the engine's gauges had been read when this request was admitted."""
        self.cache: int | None = None
        """The value of `TokenAccounts.cache` when `promised_tokens` was set."""
        self.promised_tokens = 0
        """Context that should be in the cache for this request, because its session has kept its place."""
        self.recognised_by = ""
        """`BY_CONTENT` if the conversation tree has found the session, else empty: the client named it, or nobody knows
        it.
        """

    @property
    def is_held(self) -> bool:
        """True while the request waits."""
        return self.outcome is None

    @property
    def is_in_flight(self) -> bool:
        """True from admission to the end of the answer."""
        return self.outcome is Outcome.ADMITTED and not self.finished

    @property
    def held_s(self) -> float:
        """Seconds from arrival to decision; 0 while the request waits."""
        return 0.0 if self.decided_at is None else self.decided_at - self.arrived_at


class Holds:
    """Waiting tickets by deadline. Adding or removing one costs O(log n) or less on average."""

    def __init__(self) -> None:
        self._tickets: dict[int, Ticket] = {}
        self._deadlines: list[tuple[float, int]] = []
        """A heap of deadlines with the tickets' numbers. Some of the tickets may have been removed."""

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(sorted(self._tickets.values(), key=_deadline))

    def add(self, ticket: Ticket) -> None:
        """The ticket starts to wait."""
        self._tickets[ticket.number] = ticket
        heappush(self._deadlines, (ticket.deadline, ticket.number))

    def remove(self, ticket: Ticket) -> None:
        """The ticket does not wait here any more."""
        del self._tickets[ticket.number]
        if len(self._deadlines) > 2 * len(self._tickets) + MOST_LEFT:
            self._deadlines = [_deadline(each) for each in self._tickets.values()]
            heapify(self._deadlines)

    def first(self) -> Ticket | None:
        """The ticket with the next deadline, or None."""
        tickets, deadlines = self._tickets, self._deadlines
        while deadlines:
            ticket = tickets.get(deadlines[0][1])
            if ticket is not None:
                return ticket
            heappop(deadlines)
        return None

    def due(self, now: float) -> list[Ticket]:
        """Those whose deadlines have come, in order."""
        first = self.first()
        if first is None or first.deadline > now:
            return []
        return sorted((ticket for ticket in self._tickets.values() if ticket.deadline <= now), key=_deadline)


def _deadline(ticket: Ticket) -> tuple[float, int]:
    return ticket.deadline, ticket.number
