"""The cost of a fault: agents work while it happens, and everything is counted."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.replicas.agents import Agents
from tests.replicas.cluster import Cluster
from tests.replicas.tally import Failure

SETTLE_S = 4.0
"""Seconds after the start, when the first sessions all begin at once."""
BEFORE_S = 8.0
SPAN_S = 3.0
ENOUGH = 0.9
LONGEST_S = 60.0
"""Seconds after which a recovery counts as failed."""
POLL_S = 0.05
FINISH_S = 60.0

Strike = Callable[[Cluster], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Everything is counted from the start of the agents until the last one has ended."""

    failures: list[Failure]
    given_up: int
    unfinished: int
    """Agents that never finished."""
    answers_s: float
    """Answers per second before the fault."""
    meanwhile: float | None
    """Answers per second during the fault, as a share of those before; None if it lasted less than a second."""
    agreed_s: float | None
    """Seconds from the end of the fault until all replicas agreed (see `watch`); None: never."""
    back_s: float | None
    """Seconds until the answers were back."""
    leaked: int

    @property
    def recovered_s(self) -> float | None:
        """Seconds until replicas agree and answers have recovered: the later of both."""
        return None if self.agreed_s is None or self.back_s is None else max(self.agreed_s, self.back_s)


async def watch(cluster: Cluster, agents: Agents, strike: Strike, *, leak_s: float) -> Cost:
    """Let the fault happen; it is over when `strike` returns.

    The recovery is the first moment after the fault at which two things are true. All running replicas agree: one leads
    and knows all others. The next `SPAN_S` seconds have at least the share `ENOUGH` of the answers of an equal time
    before the fault.
    """
    running = asyncio.create_task(agents.run())
    await asyncio.sleep(SETTLE_S + BEFORE_S)
    began = time.monotonic()
    answered = agents.tally.answered_at
    before = _count(answered, began - BEFORE_S, began) / BEFORE_S
    await strike(cluster)
    ended = time.monotonic()
    agreed_at = await _agreed_at(cluster, ended + LONGEST_S)
    back_at = await _back_at(answered, ended, before)
    agents.stop()
    done, _ = await asyncio.wait([running], timeout=FINISH_S)
    if not done:
        running.cancel()
    else:
        running.result()
    return Cost(
        failures=agents.tally.failures,
        given_up=len(agents.tally.given_up),
        unfinished=agents.living,
        answers_s=before,
        meanwhile=_count(answered, began, ended) / (ended - began) / before if ended - began >= 1 else None,
        agreed_s=None if agreed_at is None else agreed_at - ended,
        back_s=None if back_at is None else back_at - ended,
        leaked=await cluster.leaked(within_s=leak_s),
    )


async def _agreed_at(cluster: Cluster, deadline: float) -> float | None:
    while (now := time.monotonic()) < deadline:
        if await cluster.leader() is not None:
            return now
        await asyncio.sleep(POLL_S)
    return None


async def _back_at(answered: Sequence[float], ended: float, before: float) -> float | None:
    at = ended
    while at < ended + LONGEST_S:
        if time.monotonic() < at + SPAN_S:
            await asyncio.sleep(POLL_S)
        elif _count(answered, at, at + SPAN_S) >= ENOUGH * before * SPAN_S:
            return at
        else:
            at += POLL_S
    return None


def _count(times: Sequence[float], since: float, until: float) -> int:
    return bisect_left(times, until) - bisect_left(times, since)
