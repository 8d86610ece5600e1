"""One request's claim on its session's place."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.outcome import Outcome

if TYPE_CHECKING:
    from concur_proxy.admission.session import Session


class Ticket:
    """A request from its arrival to its end: held (`outcome` is None), then decided, and if admitted, in flight until
    finished.

    A session may have several; cancelling one leaves the others.
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
        "number",
        "outcome",
        "promised_tokens",
        "reading",
        "session",
    )

    def __init__(self, *, session: "Session", number: int, arrival: Arrival, now: float) -> None:
        self.session = session
        self.found = session.state
        """Where the session stood when the request came."""
        self.number = number
        """Arrival order over all tickets of a gate; breaks ties between equal deadlines."""
        self.arrival = arrival
        self.arrived_at = now
        self.deadline = now + arrival.hold_s
        """When the hold ends with `HOLD_TIMEOUT`, in the caller's monotonic seconds."""
        self.outcome: Outcome | None = None
        self.decided_at: float | None = None
        self.engine = ""
        """The engine whose gate decided, by name."""
        self.finished = False
        self.reading = 0
        """How often the engine's gauges had been read when this request was released."""
        self.cache: int | None = None
        """Which of the gate's caches was there when they were promised."""
        self.promised_tokens = 0
        """Context that should be in the cache for this request: its session has kept its place since it had it."""

    @property
    def is_held(self) -> bool:
        """True until the request is released, refused or given up."""
        return self.outcome is None

    @property
    def is_in_flight(self) -> bool:
        """True from release until the answer ended."""
        return self.outcome is Outcome.ADMITTED and not self.finished

    @property
    def held_s(self) -> float:
        """Seconds between arrival and decision; 0 while undecided."""
        return 0.0 if self.decided_at is None else self.decided_at - self.arrived_at


class Holds:
    """Held tickets, the one whose hold ends first in front; every operation costs O(log n) or less."""

    def __init__(self) -> None:
        self._by_deadline: SortedDict[tuple[float, int], Ticket] = SortedDict()

    def __len__(self) -> int:
        return len(self._by_deadline)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._by_deadline.values())

    def add(self, ticket: Ticket) -> None:
        """Hold the ticket until its deadline at the latest."""
        self._by_deadline[ticket.deadline, ticket.number] = ticket

    def remove(self, ticket: Ticket) -> None:
        """The ticket waits no more, or not here."""
        del self._by_deadline[ticket.deadline, ticket.number]

    def first(self) -> Ticket | None:
        """The ticket whose hold ends first, or None."""
        return self._by_deadline.peekitem(0)[1] if self._by_deadline else None
