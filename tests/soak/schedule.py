"""The schedule of a soak: faults at intervals, a recovery and a pause after each."""

import asyncio
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence

from tests.soak.faults import Fault
from tests.soak.real import told
from tests.soak.report import FAULTS_HEAD, Suffered, closing
from tests.soak.stage import TTL_S, Stage, stage
from tests.soak.watch import Watch

INTERVAL_S = (6.0, 180.0)
"""Shortest and longest time from one fault to the next."""
FAULT_S = (2.0, 10.0)
WARM_UP_S = 3.0
SPAN_S = 2.0
ENOUGH = 0.5
RECOVERY_S = 60.0
LONGEST_START_S = 240.0
"""A real engine needs most of this."""
LONGEST_END_S = 180.0
"""The last fault, its recovery, and the last look."""


async def soak(*, minutes: float, agents: int, faults: Sequence[Fault]) -> bool:
    """Run, print the tables, and say whether everything held."""
    least, most = INTERVAL_S
    interval = min(most, max(least, 60 * minutes / len(faults)))
    seconds = min(FAULT_S[1], max(FAULT_S[0], interval / 4))
    started = time.monotonic()
    suffered: list[Suffered] = []
    async with stage(agents=agents, seconds=seconds, minutes=minutes) as scene:
        faults = [fault for fault in faults if fault.can(scene.machine)]
        watch = Watch(scene)
        async with asyncio.TaskGroup() as group:  # the soak ends at once if its watch fails
            watching = group.create_task(watch.run())
            await asyncio.sleep(max(WARM_UP_S, interval / 4))
            began = time.monotonic()
            print(FAULTS_HEAD)
            usual = 0
            while not suffered or time.monotonic() - began < 60 * minutes - interval / 2:
                due = time.monotonic() + interval
                usual = max(usual, _lately(scene))
                fault = faults[len(suffered) % len(faults)]
                suffered.append(await suffer(scene, watch, fault, began=began, usual=usual))
                print(suffered[-1].row(), flush=True)
                await asyncio.sleep(max(0.0, min(due, began + 60 * minutes) - time.monotonic()))
            ended = time.monotonic()
            scene.agents.pause()
            await watch.empty(within_s=TTL_S + 25.0)
            watching.cancel()
        await watch.look()
        await watch.look_for_secrets()
        print(*closing(watch, scene.agents.tally, watch.judge_health(began=began)), sep="\n")
        traced = f"{scene.traces.batches:,} batches of spans"
    print(told(minutes), *scene.machine.lacks)
    print(
        f"Faults for {ended - began:.0f} s with {agents} agents and {len(suffered)} faults; {traced}. "
        f"With start and end, the soak took {time.monotonic() - started:.0f} s."
    )
    for rule, found in watch.broken.items():
        for detail in found[:3]:
            print(f"{rule}: {detail}", file=sys.stderr)
    return not any(watch.broken.values()) and all(one.recovery_s is not None and not one.unforced for one in suffered)


async def suffer(scene: Stage, watch: Watch, fault: Fault, *, began: float, usual: int) -> Suffered:
    """Let one fault happen, wait for the recovery, and pause the agents. `usual` answers come in `SPAN_S` seconds."""
    tally = scene.agents.tally
    at = time.monotonic()
    seen = len(tally.failures)
    await fault.strike(scene)
    ended = time.monotonic()
    meanwhile = _count(tally.answered_at, at, ended) / (ended - at) * SPAN_S / usual if usual else None
    recovered = await _recovered(scene, ended, ENOUGH * usual)
    await watch.settle(after=fault.name)
    await watch.look_for_secrets()
    one = Suffered(
        fault=fault,
        at_s=at - began,
        lasted_s=ended - at,
        failures=tally.failures[seen:],
        meanwhile=meanwhile,
        recovery_s=None if recovered is None else recovered - ended,
        settled_s=watch.settled_s,
    )
    for failure in one.unforced[:5]:
        print(f"{fault.name}: {failure.replica}: {failure.kind} {failure.detail}", file=sys.stderr)
    return one


def _lately(scene: Stage) -> int:
    """Answers of the last `SPAN_S` seconds."""
    now = time.monotonic()
    return _count(scene.agents.tally.answered_at, now - SPAN_S, now)


def _count(times: Sequence[float], since: float, until: float) -> int:
    return bisect_left(times, until) - bisect_left(times, since)


async def _recovered(scene: Stage, ended: float, enough: float) -> float | None:
    """The first moment when the replicas agree and answers have come for some time; None if that takes too long."""
    answered = scene.agents.tally.answered_at
    while (now := time.monotonic()) < ended + RECOVERY_S:
        if (
            _count(answered, max(ended, now - SPAN_S), now) >= max(1.0, enough)
            and await scene.cluster.leader() is not None
        ):
            return now
        await asyncio.sleep(0.1)
    return None
