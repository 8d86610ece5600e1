"""When Python looks for garbage in cycles. Each search stops everything.

Almost all that the gateway drops has no cycles, and is freed at once. So what outlives two searches is not searched
again: otherwise a search would take 50 ms with some thousand requests in progress. Garbage among it is found once an
hour, when there is no request. `python -m tests.benchmarks.garbage` compares thresholds.
"""

import asyncio
import gc
from collections.abc import Sized

COLLECTIONS = (5_000, 1, 1_000_000)
"""Objects after which the youngest ones are searched, searches after which those that are left are searched once more,
and the same for all: it does not happen by itself.
"""
ALL_EVERY_S = 3600.0
"""Seconds between two searches of everything, at least."""
IDLE_LOOK_S = 1.0


def collect_rarely() -> None:
    """Search everything now, and from now on only what is new."""
    collect_all()
    gc.set_threshold(*COLLECTIONS)
    gc.callbacks.append(freeze_old)


def collect_all() -> None:
    """Search everything. It takes 70 ms or more."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def collect_when_idle(served: Sized) -> None:
    """Search everything now and then while nothing is served. Runs for ever."""
    loop = asyncio.get_running_loop()
    due = loop.time() + ALL_EVERY_S
    while True:
        await asyncio.sleep(IDLE_LOOK_S)
        if not served and loop.time() >= due:
            collect_all()
            due = loop.time() + ALL_EVERY_S


def freeze_old(phase: str, info: dict[str, int]) -> None:
    """After a search of what was left of an earlier one: do not search again what is left now."""
    if phase == "stop" and info["generation"] > 0:
        gc.freeze()
