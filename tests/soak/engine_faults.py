"""What can happen to an engine, and to its name."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.http.scripted_engine import Script
from tests.soak import hostile_engine
from tests.soak.machine import GOOD, STALE
from tests.soak.stage import Stage

ASKED_AGAIN_S = 6.0
"""Longer than a gateway waits before it resolves a name again."""


async def kill(stage: Stage) -> None:
    """kill -9; another engine cannot continue an answer that had begun."""
    engine = stage.cluster.engines[0]
    engine.kill()
    await asyncio.sleep(stage.seconds)
    await engine.start()


async def freeze(stage: Stage) -> None:
    """SIGSTOP, and SIGCONT after some time."""
    engine = stage.cluster.engines[0]
    engine.freeze()
    await asyncio.sleep(stage.seconds)
    engine.thaw()


async def huge_metrics(stage: Stage) -> None:
    """Each scrape gets 16 MB."""
    stage.hostile.metrics_script = hostile_engine.huge_metrics
    await asyncio.sleep(stage.seconds)
    stage.hostile.metrics_script = None


async def flap(stage: Stage) -> None:
    """The engine's name has no address, then one at which nothing listens, then both, then the true one again."""
    for addresses in ((), (STALE,), (GOOD, STALE)):
        stage.machine.resolve(*addresses)
        await asyncio.sleep(max(ASKED_AGAIN_S, stage.seconds / 3))
    stage.machine.resolve(GOOD)


def scripted(script: Script) -> Callable[[Stage], Awaitable[None]]:
    """The hostile engine answers in this way."""

    async def strike(stage: Stage) -> None:
        stage.hostile.script = script
        await asyncio.sleep(stage.seconds)
        stage.hostile.script = hostile_engine.answer_well

    return strike
