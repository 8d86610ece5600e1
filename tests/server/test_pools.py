"""Arenas that a few short-lived objects keep after a flood."""

import asyncio
import gc
import re
import sys

import pytest

from concur_proxy.server.pools import SIZES, empty_pools

ARENA = 1 << 20
SOME = SIZES[2:]
pytestmark = pytest.mark.skipif(not sys.getallocatedblocks(), reason="Python has another allocator here")


def arenas(capfd: pytest.CaptureFixture[str]) -> int:
    """The arenas that Python has at this moment."""
    capfd.readouterr()
    sys._debugmallocstats()
    found = re.search(r"arenas allocated current\s*=\s*([\d,]+)", capfd.readouterr().err)
    assert found is not None
    return int(found[1].replace(",", ""))


def in_block(size: int) -> bytes:
    """A new object in a block of this size."""
    return bytes(size - sys.getsizeof(b""))


async def test_arenas_are_given_back_that_only_what_is_made_again_had_kept(capfd: pytest.CaptureFixture[str]) -> None:
    timers: dict[int, bytes] = {}
    flood: list[bytes | None] = []

    def make_again() -> None:
        for size in SOME:
            timers[size] = in_block(size)

    before = arenas(capfd)
    for size in SOME:
        flood += [in_block(other) for other in SOME for _ in range(ARENA // len(SOME) // other)]
        timers[size] = in_block(size)
    for number in range(len(flood)):  # the first to come leaves first
        flood[number] = None
    gc.collect()
    make_again()
    kept = arenas(capfd) - before
    assert kept >= len(SOME) / 2, "this test tests nothing"
    emptying = asyncio.create_task(empty_pools(round_s=0.002))
    while not emptying.done():
        make_again()
        await asyncio.sleep(0.001)
    assert arenas(capfd) - before < kept / 2
