"""Gives memory back to the system after a flood of clients: Python and glibc keep what is freed, often for ever."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable

LOOK_S = 1.0
MANY = 500
"""So many clients have to leave before it is worth it."""


async def give_back_memory(has_ebbed: Callable[[int], bool], forget: Callable[[], None]) -> None:
    """Give memory back when many connections have ended, and once more when the others stay. Runs for ever. Does
    nothing where the C library cannot do it.

    `has_ebbed` says whether so many connections fewer are open than there were since it was last true. `forget` empties
    what is only remembered for speed.
    """
    trim = _trim()
    if trim is None:
        return
    is_ebbing = False
    while True:
        await asyncio.sleep(LOOK_S)
        was_ebbing, is_ebbing = is_ebbing, has_ebbed(MANY)
        if is_ebbing or was_ebbing:
            forget()
            # Python keeps thousands of small objects for reuse, until it searches everything for garbage. Each may be
            # the last one in a megabyte. Most objects are frozen, so that this search is short.
            gc.collect()
            await asyncio.to_thread(trim, 0)


def _trim() -> Callable[[int], object] | None:
    """glibc's `malloc_trim`, if there is one."""
    if not sys.platform.startswith("linux"):
        return None
    trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
