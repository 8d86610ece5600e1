"""Long work in turns with the rest of the process, so that no request stops the others."""

import asyncio
from collections import deque
from collections.abc import Generator
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

FREE_S = 0.002
"""Work that takes less than this, in seconds, is done at once."""
TURN_S = 0.005
"""After so many seconds of work, others have their turn."""

T = TypeVar("T")


async def in_turns(steps: Generator[None, None, T]) -> T:
    """Take all steps and return their result. Whenever a few milliseconds have passed, other tasks run in between.

    Only one of several long works goes on in each round of the event loop: with sixteen large uploads, their turns
    together would stop everything else for a tenth of a second.
    """
    began, limit = perf_counter(), FREE_S
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if perf_counter() - began > limit:
            await _next_turn()
            began, limit = perf_counter(), TURN_S


class _Line:
    """The works that wait for their next turn, in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()

    def join(self) -> asyncio.Future[None]:
        """Return a future that is done when it is this work's turn."""
        if not self._waiting:
            self._loop.call_soon(self._call)
        turn = self._loop.create_future()
        self._waiting.append(turn)
        return turn

    def _call(self) -> None:
        """Let the next one go on that has not been cancelled."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            self._loop.call_soon(self._call)


_LINES: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()


def _next_turn() -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    line = _LINES.get(loop)
    if line is None:
        line = _LINES[loop] = _Line(loop)
    return line.join()
