"""The asyncio part of admission: requests sleep until they are decided, and a timer calls `expire` at each deadline."""

import asyncio
from collections.abc import Callable, Iterable

from concur_proxy.admission.ticket import Ticket


class Waits:
    """Wakes requests when they are decided, and calls `expire` when a deadline has come. Nothing polls: a waiting
    request sleeps on a future.
    """

    def __init__(
        self, *, clock: Callable[[], float], next_deadline: Callable[[], float | None], expire: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._next_deadline = next_deadline
        self._expire = expire
        self._sleeping: dict[Ticket, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._is_closed = False

    def __len__(self) -> int:
        """Number of requests that sleep here."""
        return len(self._sleeping)

    async def wait(self, ticket: Ticket, *, timeout_s: float | None = None) -> bool:
        """Sleep until the ticket is decided, or for `timeout_s`. Returns whether it is decided."""
        if not ticket.is_held:
            return True
        future = self._sleeping.get(ticket)
        if future is None:
            future = self._sleeping[ticket] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([future], timeout=timeout_s)
        except asyncio.CancelledError:
            self._sleeping.pop(ticket, None)
            raise
        return future.done()

    def forget(self, ticket: Ticket) -> None:
        """Nobody waits for this ticket any more; a `wait` that timed out may have left it here."""
        self._sleeping.pop(ticket, None)

    def decided(self, tickets: Iterable[Ticket]) -> None:
        """Wake the requests of these tickets, and set the timer to the next deadline. Call this after every event."""
        for ticket in tickets:
            future = self._sleeping.pop(ticket, None)
            if future is not None and not future.done():
                future.set_result(None)
        self._arm()

    def close(self) -> None:
        """Stop the timer for good."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timer_at = None

    def _arm(self) -> None:
        deadline = None if self._is_closed else self._next_deadline()
        if deadline is None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - self._clock()), self._on_time)

    def _on_time(self) -> None:
        self._timer = self._timer_at = None
        self._expire()
        self._arm()  # `expire` need not report that nothing was decided
