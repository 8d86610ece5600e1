"""Gives memory back to the system after a flood of clients: Python and glibc keep what is freed, often for ever."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Protocol

from concur_proxy.server.garbage import collect_all
from concur_proxy.server.pools import empty_pools

LOOK_S = 1.0
MANY = 500
"""So many clients have to leave before it is worth it."""
TIMES = 2
"""How often memory is given back then: at the first time, a few requests may still be in flight."""


class Server(Protocol):
    """What must be known of the server."""

    def has_ebbed(self, by: int) -> bool:
        """Whether there are fewer connections by this number than there were at most since this was last true."""
        ...

    @property
    def is_ending(self) -> bool:
        """Whether requests are still to be ended whose clients have left."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether a client waits for an answer."""
        ...


async def give_back_memory(server: Server, forget: Callable[[], None]) -> None:
    """Give memory back when many connections have ended. Runs for ever. Does nothing where the C library cannot do it.

    `forget` empties what is only remembered for speed.
    """
    trim = _trim()
    if trim is None:
        return
    times = 0
    while True:
        await asyncio.sleep(LOOK_S)
        if server.has_ebbed(MANY):
            times = TIMES
        if times and not server.is_ending:
            times -= 1
            forget()
            # One small object that is left keeps a megabyte, and Python keeps thousands of them for reuse until it
            # searches the oldest objects for garbage. If clients wait, the frozen ones are not searched.
            if server.is_busy:
                gc.collect()
            else:
                collect_all()
            await asyncio.to_thread(trim, 0)
            if not times:
                await empty_pools()
                await asyncio.to_thread(trim, 0)


def _trim() -> Callable[[int], object] | None:
    """glibc's `malloc_trim`, if there is one."""
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
