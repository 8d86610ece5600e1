"""A soak: faults at intervals, a recovery and a pause after each, and the report."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from concur_proxy.server.connections import raise_file_limit
from tests.soak.faults import named
from tests.soak.schedule import LONGEST_END_S, LONGEST_START_S, soak

AGENTS = 500


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a soak. Exits with status 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Runs a soak with a schedule of faults.")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the load (default 60)")
    parser.add_argument("--agents", type=int, default=AGENTS, help=f"agents at once (default {AGENTS})")
    parser.add_argument("--only", action="append", default=[], help="only faults whose names contain this; repeatable")
    given = parser.parse_args(arguments)
    faults = named(given.only)
    if not faults:
        parser.error(f"no fault has a name with {given.only!r}")
    raise_file_limit()
    longest_s = LONGEST_START_S + 60 * given.minutes + LONGEST_END_S
    if not asyncio.run(_ended_in_order(soak(minutes=given.minutes, agents=given.agents, faults=faults), longest_s)):
        sys.exit(1)


async def _ended_in_order(running: Coroutine[Any, Any, bool], longest_s: float) -> bool:
    """Run it for at most this time. SIGTERM ends it as Ctrl-C does, so that all its processes end."""
    task = asyncio.ensure_future(running)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(longest_s):
        return await task
