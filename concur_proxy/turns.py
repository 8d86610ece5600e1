"""Long work in turns with the rest of the process, so that no request stops the others."""

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import TypeVar

TURN_S = 0.005
"""After so many seconds of work, others have their turn."""

T = TypeVar("T")


async def in_turns(steps: Generator[None, None, T]) -> T:
    """Take all steps and return their result. Whenever a few milliseconds have passed, other tasks run in between."""
    began = perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if perf_counter() - began > TURN_S:
            await asyncio.sleep(0)
            began = perf_counter()
