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
_Call = Callable[[], None]


class Inbox(Generic[M]):
    """Handles messages in the order in which they came: some at once, and the others in the next rounds of the event
    loop.
    """

    def __init__(self, handle: Callable[[str, Sequence[M]], None]) -> None:
        """`handle` gets the name of a sender and some of its messages."""
        self._handle = handle
        self._waiting: deque[tuple[str, M] | _Call] = deque()
        """Each message with its sender, and calls that come after the messages before them."""
        self._is_scheduled = False

    def put(self, sender: str, messages: Sequence[M]) -> None:
        """Messages have come."""
        if not self._waiting and len(messages) <= HANDLED_AT_ONCE:
            self._handle(sender, messages)
            return
        self._waiting += ((sender, message) for message in messages)
        self._begin()

    def after(self, call: _Call) -> None:
        """Call this when the messages that wait now are handled, or dropped: at once if none waits."""
        self._waiting.append(call)
        self._begin()

    def clear(self) -> None:
        """Drop all messages."""
        calls = [each for each in self._waiting if not isinstance(each, tuple)]
        self._waiting.clear()
        self._waiting += calls

    async def emptied(self) -> None:
        """Wait until all messages are handled."""
        while self._waiting:  # noqa: ASYNC110 - each round of the event loop handles some
            await asyncio.sleep(0)

    def _begin(self) -> None:
        if not self._is_scheduled:
            self._handle_some()

    def _handle_some(self) -> None:
        self._is_scheduled = True
        try:
            self._take_some()
        finally:
            self._is_scheduled = bool(self._waiting)
            if self._is_scheduled:
                asyncio.get_running_loop().call_soon(self._handle_some)

    def _take_some(self) -> None:
        """Handle messages of one sender, or of several if the first ones are few."""
        left, waiting = HANDLED_AT_ONCE, self._waiting
        while waiting and left:
            first = waiting.popleft()
            left -= 1
            if not isinstance(first, tuple):
                first()
                continue
            sender, some = first[0], [first[1]]
            while left and waiting and isinstance(next_one := waiting[0], tuple) and next_one[0] == sender:
                some.append(next_one[1])
                waiting.popleft()
                left -= 1
            self._handle(sender, some)
