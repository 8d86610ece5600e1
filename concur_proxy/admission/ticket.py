"""One request's claim on its session's place."""

from typing import TYPE_CHECKING

from concur_proxy.admission.outcome import Outcome

if TYPE_CHECKING:
    from concur_proxy.admission.session import Session


class Ticket:
    """A request from its arrival to its end: held (`outcome` is None), then decided, and if admitted, in flight until
    finished.

    A session may have several; cancelling one leaves the others.
    """

    __slots__ = (
        "arrived_at",
        "body_bytes",
        "cache",
        "deadline",
        "decided_at",
        "engine",
        "finished",
        "first_token_at",
        "found",
        "number",
        "outcome",
        "promised_tokens",
        "reading",
        "session",
    )

    def __init__(self, *, session: "Session", number: int, now: float, deadline: float, body_bytes: int) -> None:
        self.session = session
        self.found = session.state
        """Where the session stood when the request came."""
        self.number = number
        """Arrival order over all tickets of a gate; breaks ties between equal deadlines."""
        self.arrived_at = now
        self.deadline = deadline
        """When the hold ends with `HOLD_TIMEOUT`, in the caller's monotonic seconds."""
        self.body_bytes = body_bytes
        """Size of the request body: the footprint's estimate until the engine has counted its tokens."""
        self.outcome: Outcome | None = None
        self.decided_at: float | None = None
        self.engine = ""
        """The engine whose gate decided, by name."""
        self.first_token_at: float | None = None
        """When the answer's first token came, where whoever relayed it has seen that."""
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
