"""Messages of other gateways that wait to be handled."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

HANDLED_AT_ONCE = 16
"""Messages that are handled in one round of the event loop. Another gateway sends thousands when a flood of clients
leaves it.
"""

M = TypeVar("M")


class Inbox(Generic[M]):
    """Handles messages in the order in which they came: some at once, and the others in the next rounds of the event
    loop.
    """

    def __init__(self, handle: Callable[[str, Sequence[M]], None]) -> None:
        """`handle` gets the name of a sender and some of its messages."""
        self._handle = handle
        self._waiting: deque[tuple[str, M]] = deque()
        self._is_scheduled = False

    def put(self, sender: str, messages: Sequence[M]) -> None:
        """Messages have come."""
        if not self._waiting and len(messages) <= HANDLED_AT_ONCE:
            self._handle(sender, messages)
            return
        self._waiting += ((sender, message) for message in messages)
        if not self._is_scheduled:
            self._handle_some()

    def clear(self) -> None:
        """Drop all messages."""
        self._waiting.clear()

    def handle_all(self) -> None:
        """Handle all messages now."""
        while self._waiting:
            self._take_some()

    async def emptied(self) -> None:
        """Wait until all messages are handled."""
        while self._waiting:  # noqa: ASYNC110 - each round of the event loop handles some
            await asyncio.sleep(0)

    def _handle_some(self) -> None:
        self._is_scheduled = len(self._waiting) > HANDLED_AT_ONCE
        if self._is_scheduled:
            asyncio.get_running_loop().call_soon(self._handle_some)
        self._take_some()

    def _take_some(self) -> None:
        """Handle messages of one sender, or of several if the first ones are few."""
        left, waiting = HANDLED_AT_ONCE, self._waiting
        while waiting and left:
            sender, some = waiting[0][0], []
            while waiting and left and waiting[0][0] == sender:
                some.append(waiting.popleft()[1])
                left -= 1
            self._handle(sender, some)
