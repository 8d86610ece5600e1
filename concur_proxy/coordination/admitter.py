"""The asyncio half of admission: parks held requests, wakes them when they are decided, and lets time pass."""

import asyncio
from collections.abc import Callable

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.store import SessionStore


class Admitter:
    """Waits where the store only decides. No polling: a held request sleeps on a future until its ticket is decided."""

    def __init__(self, store: SessionStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._parked: dict[Ticket, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._is_closed = False
        store.on_decided(self._wake)

    @property
    def parked(self) -> int:
        """Requests that sleep here."""
        return len(self._parked)

    def arrive(self, arrival: Arrival) -> Ticket:
        """The ticket of a new request. It is decided already, or within `arrival.hold_s` seconds."""
        return self._store.arrive(arrival)

    async def wait(self, ticket: Ticket, *, timeout_s: float | None = None) -> bool:
        """Sleep until the ticket is decided, or for `timeout_s`; whether it is decided.

        Cancelling leaves the ticket held: the caller abandons it.
        """
        if not ticket.is_held:
            return True
        future = self._parked.get(ticket)
        if future is None:
            future = self._parked[ticket] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([future], timeout=timeout_s)
        except asyncio.CancelledError:
            self._parked.pop(ticket, None)
            raise
        return future.done()

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """The request is over, whether it was waiting or in flight."""
        if ticket.is_held:
            self._parked.pop(ticket, None)  # left there by a `wait` that timed out
            self._store.abandon(ticket)
        else:
            self._store.finish(ticket, answered)

    def end(self, key: str) -> bool:
        """The session is over; False when it is unknown."""
        return self._store.end(key)

    def _wake(self, decided: list[Ticket]) -> None:
        for ticket in decided:
            future = self._parked.pop(ticket, None)
            if future is not None and not future.done():
                future.set_result(None)
        self._arm()

    def _arm(self) -> None:
        deadline = None if self._is_closed else self._store.next_deadline()
        if deadline is None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - self._clock()), self._expire)

    def _expire(self) -> None:
        self._timer = self._timer_at = None
        self._store.expire()
        self._arm()  # a store need not say that nothing was decided

    def close(self) -> None:
        """Let no more time pass."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timer_at = None
