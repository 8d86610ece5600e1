"""How a worker without a leader finds one, or leads itself."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from concur_proxy.coordination.workers.connection import Connection, Hello
from concur_proxy.coordination.workers.door import Door

RETRY_S = 0.02
"""How often a worker that follows nobody tries to lead. The kernel closes the connections of a process that ends before
it frees the lock.
"""
NEW_S = 0.5
"""How long a new worker leaves the lead to those that have the state of the last leader, seconds."""


class Seeking:
    """Tries to lead, and knocks at the leader's door, until one of both succeeds."""

    def __init__(
        self, door: Door, me: str, *, connect: Callable[[], Connection], has_led: Callable[[int], Awaitable[bool]]
    ) -> None:
        """`connect` makes a connection. `has_led` leads in the term of this number, and returns whether it does."""
        self.may_lead = True
        """Whether this worker may lead: it is not stopping."""
        self.is_settled = asyncio.Event()
        """Set while this worker leads or follows a leader."""
        self._door = door
        self._me = me
        self._connect = connect
        self._has_led = has_led
        self._knocking: Connection | None = None
        """A connection on which the leader has not answered yet."""
        self._task: asyncio.Task[None] | None = None

    def begin(self, *, is_new: bool) -> None:
        """Find a leader. `is_new`: this worker does not know what the last leader knew."""
        self.is_settled.clear()
        self._task = asyncio.create_task(self._seek(NEW_S if is_new and self._door.term > 0 else 0.0))

    def follow(self) -> None:
        """The leader has answered."""
        self._knocking = None
        self.is_settled.set()

    def lead(self) -> None:
        """This worker leads."""
        self.is_settled.set()

    def remove(self, connection: Connection) -> bool:
        """A connection is lost. Returns whether it was the one on which this worker waited for an answer."""
        if connection is not self._knocking:
            return False
        self._knocking = None
        return True

    def stop_knocking(self) -> None:
        """Do not wait for an answer any more."""
        if self._knocking is not None:
            self._knocking.abort()
            self._knocking = None

    def cancel(self) -> list[asyncio.Task[None]]:
        """Stop. Returns what is to be awaited."""
        if self._task is None:
            return []
        self._task.cancel()
        return [self._task]

    async def _seek(self, patience_s: float) -> None:
        may_lead_at = time.monotonic() + patience_s
        while not self.is_settled.is_set():
            may_lead = self.may_lead and time.monotonic() >= may_lead_at
            if may_lead and (number := self._door.take_lead()) is not None and await self._has_led(number):
                return
            if self._knocking is None:
                with suppress(OSError):  # too many connections wait at the door
                    await self._knock(self._door.knock())
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self.is_settled.wait()

    async def _knock(self, sock: socket.socket) -> None:
        connection = self._knocking = self._connect()
        connection.send(Hello(name=self._me))
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=sock)
