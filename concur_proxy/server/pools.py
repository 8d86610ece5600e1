"""Empties the pools of Python's allocator that only short-lived objects keep in memory.

Python takes memory from the system in arenas of 1 MiB, divides them into pools of 16 KiB, and each pool into blocks of
one size. A new object gets a block of the pool of its size in which one was freed last. After a flood of requests, this
is any of the thousands of pools that the flood has used, and it remains the same one: what is made again every second,
such as a timer, gets a block there before its predecessor's is freed. So a few such objects of each size keep an arena
each, for ever.

Here all free blocks of such pools are filled for some seconds. What is made again meanwhile gets a block of another
pool, in the fullest arena. When the blocks are freed, the first pools are empty, and so are most arenas: Python gives
them back to the system.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial

ROUNDS = 24
ROUND_S = 0.25
"""So often, and at this interval, blocks are filled that have become free: for longer than the intervals of nearly all
that is made again.
"""
SIZES = range(16, 513, 16)
"""The sizes of blocks. Python gets larger ones from the C library."""
POOL_BITS = 14
POOL_HEAD_BYTES = 48
MOST_BLOCKS = 1 << 16
"""Blocks of one size that are filled at most: about 5 ms of work."""


async def empty_pools(round_s: float = ROUND_S) -> None:
    """Empty what can be emptied. Does nothing if Python does not use its own allocator (`PYTHONMALLOC=malloc`)."""
    if not sys.getallocatedblocks():
        return
    filled = []
    for size in SIZES:
        filled.append(_Filled(size))
        await asyncio.sleep(0)
    for _ in range(ROUNDS):
        await asyncio.sleep(round_s)
        for each in filled:
            each.fill_again()
    while filled:
        del filled[-1]
        await asyncio.sleep(0)


class _Filled:
    """The pools for blocks of one size that had a free block, and what fills them."""

    def __init__(self, size: int) -> None:
        self._make = _maker(size)
        self._blocks: list[object] = []
        self._pools: set[int] = set()
        self._fill(((1 << POOL_BITS) - POOL_HEAD_BYTES) // size)

    def _fill(self, in_pool: int) -> None:
        """Fill all. A pool that yields all its blocks was empty before: then no other has a free one."""
        make, blocks, pools = self._make, self._blocks, self._pools
        pool, left = 0, in_pool
        while left and len(blocks) < MOST_BLOCKS:
            block = make()
            blocks.append(block)
            at = id(block) >> POOL_BITS
            if at != pool:
                pool, left = at, in_pool
                pools.add(at)
            left -= 1

    def fill_again(self) -> None:
        """Fill blocks of these pools that have become free."""
        while id(block := self._make()) >> POOL_BITS in self._pools:
            self._blocks.append(block)


def _maker(size: int) -> Callable[[], object]:
    """What makes an object in a block of this size."""
    if size == SIZES[0]:
        return object
    if size == SIZES[1]:
        return float
    return partial(bytes, size - sys.getsizeof(b""))
