"""Gives memory back to the system after a flood of clients: glibc keeps what is freed, often for ever."""

import asyncio
import ctypes
import sys
from collections.abc import Callable

LOOK_S = 5.0
MANY = 500
"""So many clients have to leave before it is worth it."""
AGAIN_S = 70.0
"""Seconds until memory is given back a second time: the sessions of clients that left are forgotten by then."""


async def give_back_memory(count: Callable[[], int]) -> None:
    """Watch the number of connections, and give memory back when many of them have ended. Runs for ever.

    Does nothing where the C library cannot do it.
    """
    trim = _trim()
    if trim is None:
        return
    most, again_after = count(), 0
    while True:
        await asyncio.sleep(LOOK_S)
        now = count()
        most = max(most, now)
        again_after = max(0, again_after - 1)
        has_left = most - now >= MANY
        if has_left or again_after == 1:
            await asyncio.to_thread(trim, 0)  # about 10 ms for 100 MB
        if has_left:
            most, again_after = now, round(AGAIN_S / LOOK_S)


def _trim() -> Callable[[int], object] | None:
    """glibc's `malloc_trim`, if there is one."""
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
