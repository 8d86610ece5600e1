"""The asyncio part of admission: requests sleep until they are decided, and a timer calls `expire` at each deadline."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Self, cast

from concur_proxy.admission.ticket import Ticket

logger = logging.getLogger(__name__)

AGAIN_S = 1.0
"""After an unexpected error, the timer is set again after this time, seconds. Without it, requests would wait forever
until another event comes.
"""


class _Awaited:
    """Waits for a future as `await future` does. asyncio would make an iterator there, and keeps 255 of them for reuse.
    After a flood of requests that wait, these would be spread over all the memory that the flood has used, and each
    would keep a megabyte from being given back.
    """

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> asyncio.Future[None]:
        future = self._future
        if future.done():
            raise StopIteration(future.result())
        future._asyncio_future_blocking = True  # noqa: SLF001 - how asyncio knows that it is awaited
        return future


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
        loop = asyncio.get_running_loop()
        future = self._sleeping[ticket] = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, _wake, future)
        try:
            await cast("Awaitable[None]", _Awaited(future))  # `asyncio.wait` would cost 1.3 kB more for each request
        finally:
            self._sleeping.pop(ticket, None)
            if timer is not None:
                timer.cancel()
        return not ticket.is_held

    def decided(self, tickets: Iterable[Ticket]) -> None:
        """Wake the requests of these tickets, and set the timer to the next deadline. Call this after every event."""
        for ticket in tickets:
            future = self._sleeping.pop(ticket, None)
            if future is not None:
                _wake(future)
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
        try:
            self._expire()
        except Exception:
            logger.exception("unexpected error, a defect in concur-proxy; trying again in %g s", AGAIN_S)
            asyncio.get_running_loop().call_later(AGAIN_S, self._arm)
            return
        self._arm()  # `expire` need not report that nothing was decided


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
