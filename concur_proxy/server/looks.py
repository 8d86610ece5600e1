"""When each client's connection is looked at next. One timer serves all connections: a timer for each would take 0.7 kB
for every request that waits.
"""

import asyncio
from bisect import bisect_left, insort
from math import ceil
from typing import Protocol

GRAIN_S = 0.02
"""A look comes late by this time at most, so that looks which are due at almost the same time are made together."""
CLOCK_S = 0.001
"""The resolution of the event loop's timers, which may be early by so much."""
MOST = 256
"""Looks in one round of the event loop: about a millisecond."""


class Looked(Protocol):
    """A connection that is looked at."""

    def look(self) -> None:
        """It is time to look."""
        ...


class Looks:
    """Calls `look` of each connection when it is due. It belongs to one event loop."""

    def __init__(self) -> None:
        self._due: dict[int, set[Looked]] = {}
        """By time in units of `GRAIN_S`. There is no entry without a connection: thousands of clients that leave would
        leave hundreds of them, each of which would keep a page of memory.
        """
        self._times: list[int] = []
        """The keys of `_due`, the earliest first."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0

    def __len__(self) -> int:
        return sum(map(len, self._due.values()))

    def add(self, connection: Looked, at: float) -> None:
        """Look at the connection once at this time of the event loop's clock."""
        time = _unit(at)
        due = self._due.get(time)
        if due is None:
            due = self._due[time] = set()
            insort(self._times, time)
            if self._timer is None or time < self._timer_at:
                self._set_timer(time)
        due.add(connection)

    def remove(self, connection: Looked, at: float) -> None:
        """Do not look at this time, for which the connection was added. Does nothing if the look was made."""
        time = _unit(at)
        due = self._due.get(time)
        if due is not None:
            due.discard(connection)
            if not due:
                self._forget(time)

    def _forget(self, time: int) -> None:
        del self._due[time], self._times[bisect_left(self._times, time)]

    def _set_timer(self, time: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = time
        self._timer = asyncio.get_running_loop().call_at(time * GRAIN_S, self._look)

    def _look(self) -> None:
        self._timer = None
        now, left = (asyncio.get_running_loop().time() + CLOCK_S) / GRAIN_S, MOST
        try:
            while self._times and self._times[0] <= now and left:
                time = self._times[0]
                due = self._due[time]
                while due and left:
                    left -= 1
                    due.pop().look()
                if not due and self._due.get(time) is due:  # a look may have removed the last one
                    self._forget(time)
        finally:
            if self._times:
                self._set_timer(self._times[0])


def _unit(at: float) -> int:
    return ceil(at / GRAIN_S)
