"""Lets requests begin a few at a time, so that a thousand that come at once do not delay everything else."""

import asyncio
from collections import deque

PER_ROUND = 16
"""Requests that begin in one round of the event loop: about 5 ms of work."""


class Turnstile:
    """Requests pass in the order in which they come."""

    def __init__(self) -> None:
        self._passed = 0
        """Requests that have begun in this round."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Return when the request may begin: at once, unless many have begun in this round of the event loop."""
        if self._passed >= PER_ROUND:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
            return
        self._passed += 1
        if self._passed == 1:
            asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        self._passed = 0
        while self._waiting and self._passed < PER_ROUND:
            turn = self._waiting.popleft()
            if not turn.done():  # its task may have been cancelled
                turn.set_result(None)
                self._passed += 1
        if self._passed:
            asyncio.get_running_loop().call_soon(self._begin_round)
