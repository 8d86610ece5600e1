"""The schedule of a soak: faults at intervals, a recovery and a pause after each, and the report."""

import argparse
import asyncio
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress

from tests.soak.faults import FAULTS, Fault
from tests.soak.health import summary
from tests.soak.report import FAULTS_HEAD, SLOPES_HEAD, Suffered, rules, slope_rows
from tests.soak.stage import TTL_S, Stage, stage
from tests.soak.watch import Watch

INTERVAL_S = (6.0, 180.0)
"""Shortest and longest time from one fault to the next."""
FAULT_S = (2.0, 10.0)
WARM_UP_S = 3.0
SPAN_S = 2.0
ENOUGH = 0.5
RECOVERY_S = 60.0


async def soak(*, minutes: float, agents: int, faults: Sequence[Fault]) -> bool:
    """Run, print the tables, and say whether everything held."""
    least, most = INTERVAL_S
    interval = min(most, max(least, 60 * minutes / len(faults)))
    async with stage(agents=agents, seconds=min(FAULT_S[1], max(FAULT_S[0], interval / 4))) as scene:
        watch = Watch(scene)
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(WARM_UP_S)
        began = time.monotonic()
        suffered: list[Suffered] = []
        print(FAULTS_HEAD)
        usual = 0
        while time.monotonic() - began < 60 * minutes - interval / 2 or not suffered:
            due = time.monotonic() + interval
            usual = max(usual, _lately(scene))
            fault = faults[len(suffered) % len(faults)]
            suffered.append(await suffer(scene, watch, fault, began=began, enough=ENOUGH * usual))
            print(suffered[-1].row(), flush=True)
            await asyncio.sleep(max(0.0, min(due, began + 60 * minutes) - time.monotonic()))
        ended = time.monotonic()
        scene.agents.pause()
        await watch.empty(within_s=TTL_S + 25.0)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await watch.look()
        await watch.look_for_secrets()
        health = summary(watch.health())
        tally = scene.agents.tally
    print(f"\n{SLOPES_HEAD}")
    print(*slope_rows(watch), "", *rules(watch), sep="\n")
    answers = ", ".join(f"{tenant} {count:,}" for tenant, count in sorted(tally.by_tenant.items()))
    left = ", ".join(f"{way} {count:,}" for way, count in sorted(tally.left.items()))
    print(
        f"\nAnswers: {answers}. Clients that left: {left}. Requests without an answer in the end: {len(tally.given_up)}."
    )
    print(f"`/healthz`: {health}.")
    print(f"Faults for {ended - began:.0f} s with {agents} agents and {len(suffered)} faults.")
    for rule, found in watch.broken.items():
        for detail in found[:3]:
            print(f"{rule}: {detail}", file=sys.stderr)
    return not any(watch.broken.values()) and all(one.recovery_s is not None for one in suffered)


async def suffer(scene: Stage, watch: Watch, fault: Fault, *, began: float, enough: float) -> Suffered:
    """Let one fault happen, wait for the recovery, and pause the agents."""
    tally = scene.agents.tally
    at = time.monotonic()
    seen = len(tally.failures)
    await fault.strike(scene)
    ended = time.monotonic()
    recovered = await _recovered(scene, ended, enough)
    await watch.settle(after=fault.name)
    failures = tally.failures[seen:]
    await watch.look_for_secrets()
    one = Suffered(
        fault=fault, at_s=at - began, failures=failures, recovery_s=None if recovered is None else recovered - ended
    )
    for failure in one.unforced[:5]:
        print(f"{fault.name}: {failure.replica}: {failure.kind} {failure.detail}", file=sys.stderr)
    return one


def _lately(scene: Stage) -> int:
    """Answers of the last `SPAN_S` seconds."""
    answered = scene.agents.tally.answered_at
    return len(answered) - bisect_left(answered, time.monotonic() - SPAN_S)


async def _recovered(scene: Stage, ended: float, enough: float) -> float | None:
    """The first moment when the replicas agree and answers have come for some time; None if that takes too long."""
    answered = scene.agents.tally.answered_at
    while (now := time.monotonic()) < ended + RECOVERY_S:
        since = max(ended, now - SPAN_S)
        if (
            len(answered) - bisect_left(answered, since) >= max(1.0, enough)
            and await scene.cluster.leader() is not None
        ):
            return now
        await asyncio.sleep(0.1)
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a soak. Exits with status 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Runs a soak with a schedule of faults.")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the soak (default 60)")
    parser.add_argument("--agents", type=int, default=300, help="agents at once (default 300)")
    parser.add_argument("--only", action="append", default=[], help="only faults whose names contain this; repeatable")
    given = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if not given.only or any(part in fault.name for part in given.only)]
    if not faults:
        parser.error(f"no fault has a name with {given.only!r}")
    if not asyncio.run(soak(minutes=given.minutes, agents=given.agents, faults=faults)):
        sys.exit(1)
