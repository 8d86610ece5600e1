"""Arenas that a few short-lived objects keep after a flood. They are those of a process of its own: this file's."""

import asyncio
import re
import subprocess
import sys

import pytest

from concur_proxy.server.pools import SIZES, empty_pools

ARENA = 1 << 20
SOME = SIZES[2:]


@pytest.mark.skipif(not sys.getallocatedblocks(), reason="Python has another allocator here")
def test_arenas_are_given_back_that_only_what_is_made_again_had_kept() -> None:
    done = subprocess.run([sys.executable, "-m", __name__], check=True, capture_output=True, text=True)
    before, kept, left = map(int, re.findall(r"arenas allocated current\s*=\s*(\d+)", done.stderr))
    assert kept - before >= len(SOME) / 2, "this test tests nothing"
    assert left - before < (kept - before) / 2


def in_block(size: int) -> bytes:
    """A new object in a block of this size."""
    return bytes(size - sys.getsizeof(b""))


async def main() -> None:
    """Write the statistics of the allocator at the start, after the flood, and when pools have been emptied."""
    timers: dict[int, bytes] = {}
    flood: list[bytes | None] = []

    def make_again() -> None:
        for size in SOME:
            timers[size] = in_block(size)

    sys._debugmallocstats()
    for size in SOME:
        flood += [in_block(other) for other in SOME for _ in range(ARENA // len(SOME) // other)]
        timers[size] = in_block(size)
    for number in range(len(flood)):  # the first to come leaves first
        flood[number] = None
    make_again()
    sys._debugmallocstats()
    emptying = asyncio.create_task(empty_pools(round_s=0.002))
    while not emptying.done():
        make_again()
        await asyncio.sleep(0.001)
    sys._debugmallocstats()


if __name__ == "__main__":
    asyncio.run(main())
