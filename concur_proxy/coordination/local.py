"""A single gateway: it decides for itself and keeps its sessions in memory. This is the default."""

from collections.abc import Callable, Coroutine
from typing import Any

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Change
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import Listener, Role, Status
from concur_proxy.coordination.protocol.manual import ManualSettings
from concur_proxy.coordination.protocol.messages import Call, Overloaded, Reply
from concur_proxy.coordination.responses import ResponsesInMemory
from concur_proxy.coordination.waits import Waits


class LocalCoordinator:
    """Applies each event to its fleet at once."""

    status = Status(role=Role.SINGLE)

    def __init__(self, fleet: Fleet, clock: Callable[[], float]) -> None:
        self.fleet = fleet
        self.manual = ManualSettings()
        self.responses = ResponsesInMemory()
        self.waits = Waits(clock=clock, next_deadline=self.next_deadline, expire=self.expire)
        self._clock = clock
        self._listener = Listener()

    async def start(self) -> None:
        """Does nothing."""

    async def stop(self) -> None:
        """Stop the timer."""
        self.waits.close()

    def listen(self, listener: Listener) -> None:
        """Report events to this listener from now on."""
        self._listener = listener

    def needs(self, engine: str) -> bool:
        """Whether the engine is still in use: a request is at the engine, or may be sent there."""
        return engine in self.fleet.gates

    def arrive(self, arrival: Arrival) -> Ticket:
        """A request arrives."""
        ticket, decided = self.fleet.arrive(arrival, now=self._clock())
        self.waits.decided(decided)
        return ticket

    def wait(self, ticket: Ticket, *, timeout_s: float | None = None) -> Coroutine[Any, Any, bool]:
        """Sleep until the ticket is decided, or for `timeout_s`. Returns whether it is decided."""
        return self.waits.wait(ticket, timeout_s=timeout_s)

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """The request has ended."""
        self.waits.decided(self.fleet.finish(ticket, answered, now=self._clock()))

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """The ticket's place in the queue, and its probable wait in seconds."""
        return self.fleet.expected_wait(ticket, now=self._clock())

    def apply(self, change: Change) -> bool:
        """Carry out a change."""
        if isinstance(change, Overloaded):
            self._listener.on_overload(change.engine)
            return True
        is_known = self.fleet.knows(change)
        self.waits.decided(self.fleet.apply(change, now=self._clock()))
        return is_known

    def set_manual(self, manual: ManualSettings) -> None:
        """Replace the manual settings."""
        self.manual = manual
        self._listener.on_manual(manual)

    async def call(self, call: Call) -> Reply:
        """Answer a call."""
        return self._listener.on_call(call)

    def next_deadline(self) -> float | None:
        """The time at which `expire` must be called next, or None."""
        return self.fleet.next_deadline()

    def expire(self) -> None:
        """Do everything that is due by now."""
        self.waits.decided(self.fleet.expire(now=self._clock()))
