"""Agents work while something happens to the processes, and what must be true afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.replicas.agents import Agents
from tests.replicas.cluster import Cluster
from tests.replicas.small import SCRIPTS
from tests.replicas.tally import Failure

WARM_UP_S = 1.0
ANSWER_S = 8.0
FINISH_S = 30.0
LEAK_S = 20.0
"""Longer than a silent session is remembered here."""


async def answers_come(agents: Agents) -> None:
    """Wait for the next answer.

    This may take as long as a lease, if each replica has one place at an engine and sessions come through any replica.
    """
    seen = len(agents.tally.answered_at)
    async with asyncio.timeout(ANSWER_S):
        while len(agents.tally.answered_at) == seen:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def agents_at_work(cluster: Cluster, *, forces: Callable[[Failure], bool]) -> AsyncIterator[Agents]:
    """Agents work from a moment before the block until a moment after it.

    Afterwards all agents must have all their answers, the only failures are those that the fault `forces`, all replicas
    agree, and no place is lost.
    """
    agents = Agents(cluster.replicas, SCRIPTS, endless=True)
    running = asyncio.create_task(agents.run())
    try:
        await asyncio.sleep(WARM_UP_S)
        assert agents.tally.answered_at
        yield agents
        await cluster.agreed()
        await answers_come(agents)
        agents.stop()
        tally = await asyncio.wait_for(asyncio.shield(running), FINISH_S)
    finally:
        running.cancel()
    assert [failure.detail for failure in tally.failures if not forces(failure)] == []
    assert tally.given_up == []
    assert await cluster.leaked(within_s=LEAK_S) == 0
