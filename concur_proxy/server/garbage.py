"""When Python looks for garbage in cycles. Each search stops everything.

Almost all that the gateway drops has no cycles, and is freed at once. So what outlives two searches is not searched
again: otherwise a search would take 50 ms with some thousand requests in progress. Garbage among it is found every ten
minutes if no client waits for an answer then, else once an hour. `python -m tests.benchmarks.garbage` compares
thresholds.
"""

import asyncio
import gc
from collections.abc import Callable

COLLECTIONS = (5_000, 1, 1_000_000)
"""Objects after which the youngest ones are searched, searches after which those that are left are searched once more,
and the same for all: it does not happen by itself.
"""
IDLE_EVERY_S, BUSY_EVERY_S = 600.0, 3600.0
"""Seconds between two searches of everything, if no client waits for an answer, and in any case: what is left in cycles
must not fill the memory of a gateway that is never idle.
"""
LOOK_S = 1.0


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


async def collect_all_at_times(is_busy: Callable[[], bool]) -> None:
    """Search everything now and then. Runs for ever. `is_busy` says whether clients wait for answers."""
    loop = asyncio.get_running_loop()
    searched_at = loop.time()
    while True:
        await asyncio.sleep(LOOK_S)
        if loop.time() - searched_at >= (BUSY_EVERY_S if is_busy() else IDLE_EVERY_S):
            collect_all()
            searched_at = loop.time()


def freeze_old(phase: str, info: dict[str, int]) -> None:
    """After a search of what was left of an earlier one: do not search again what is left now."""
    if phase == "stop" and info["generation"] > 0:
        gc.freeze()
