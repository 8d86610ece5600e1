"""Lets requests begin, or end, a few at a time, so that a thousand at once do not delay everything else."""

import asyncio
from collections import deque
from collections.abc import Callable

PER_ROUND = 8
"""Requests that begin in one round of the event loop: about 5 ms of work, with what they cause later."""


class Turnstile:
    """Requests pass in the order in which they come."""

    def __init__(self) -> None:
        self._passed = 0
        """Requests that have begun in this round."""
        self._waiting: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def passes(self, begin: Callable[[], None]) -> bool:
        """Whether a request may begin now. If many have begun in this round of the event loop, it may not, and `begin`
        is called when it may.
        """
        if self._passed >= PER_ROUND:
            self._waiting.append(begin)
            return False
        self._passed += 1
        if self._passed == 1:
            asyncio.get_running_loop().call_soon(self._begin_round)
        return True

    def _begin_round(self) -> None:
        self._passed = 0
        while self._waiting and self._passed < PER_ROUND:
            self._passed += 1
            self._waiting.popleft()()
        if self._passed:
            asyncio.get_running_loop().call_soon(self._begin_round)
