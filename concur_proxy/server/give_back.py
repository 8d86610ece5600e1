"""Gives memory back to the system after a flood of clients: glibc keeps what is freed, often for ever."""

import asyncio
import ctypes
import sys
from collections.abc import Callable

LOOK_S = 2.0
MANY = 500
"""So many clients have to leave before it is worth it."""
AGAIN_S = 70.0
"""Seconds until memory is given back a second time: the sessions of clients that left are forgotten by then."""


async def give_back_memory(has_ebbed: Callable[[int], bool], forget: Callable[[], None]) -> None:
    """Give memory back when many connections have ended. Runs for ever. Does nothing where the C library cannot do it.

    `has_ebbed` says whether so many connections fewer are open than there were since it was last true. `forget` empties
    what is only remembered for speed.
    """
    trim = _trim()
    if trim is None:
        return
    again_after = 0
    while True:
        await asyncio.sleep(LOOK_S)
        again_after = max(0, again_after - 1)
        is_first = has_ebbed(MANY)
        if is_first:
            again_after = round(AGAIN_S / LOOK_S)
        if is_first or again_after == 1:
            forget()
            await asyncio.to_thread(trim, 0)


def _trim() -> Callable[[int], object] | None:
    """glibc's `malloc_trim`, if there is one."""
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
