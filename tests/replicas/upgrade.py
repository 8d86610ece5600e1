"""Upgrade and rollback under load

16 agents work while two gateways that share a Redis are updated, in each of the ways of the guide. An agent repeats a
request that was refused with `Retry-After` or at the connection, as an SDK does, at another gateway. The command fails
if a request fails in another way, if an agent gives up, or if a place in a window stays taken afterwards.

*Repeated* counts refused attempts, *lost* the requests that got no answer. *Longest* is the longest time from a request
to its answer over all its attempts; waiting for a place in the window is part of it.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.replicas.cluster import Cluster
from tests.replicas.small import ENGINE_FLAGS, GATEWAY_FLAGS
from tests.replicas.tally import Tally
from tests.replicas.under_load import agents_at_work
from tests.replicas.upgrades import is_retryable, one_after_the_other, side_by_side
from tests.replicas.versions import BEFORE, Launcher, NoSuchVersion, version_of, with_another_protocol

HEADINGS = ("update", "answers", "repeated", "lost", "longest (s)")
THIS: Launcher = ()


def pair_of(launcher: Launcher) -> Cluster:
    """Two gateways of a version, which share a Redis and an engine."""
    return Cluster(
        replicas=2, engines=1, launchers=[launcher] * 2, engine_flags=ENGINE_FLAGS, gateway_flags=GATEWAY_FLAGS
    )


async def updated_in_turn(before: Launcher, after: Launcher) -> Tally:
    """One gateway after the other."""
    async with pair_of(before) as cluster:
        async with agents_at_work(cluster, forces=is_retryable) as agents:
            await one_after_the_other(cluster, after)
        return agents.tally


async def updated_side_by_side(before: Launcher, after: Launcher) -> Tally:
    """New gateways first, then the end of the old ones."""
    async with pair_of(before) as cluster:
        async with agents_at_work(cluster, forces=is_retryable) as agents:
            await side_by_side(cluster, agents, after)
        return agents.tally


async def measure(commit: str, folder: Path) -> None:
    """Print a row for each way. Raises if a request is lost."""
    before = version_of(commit, folder / "before")
    other = with_another_protocol(folder / "other")
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' + ' ---: |' * (len(HEADINGS) - 1)}")
    for name, tally in (
        (f"one after the other, from {commit[:7]}", updated_in_turn(before, THIS)),
        (f"one after the other, back to {commit[:7]}", updated_in_turn(THIS, before)),
        ("side by side, from a version with another protocol", updated_side_by_side(other, THIS)),
    ):
        seen = await tally
        counts = (len(seen.answered_at), len(seen.failures), len(seen.given_up), f"{seen.longest_s:.1f}")
        print(f"| {name} | {' | '.join(map(str, counts))} |")


def main(arguments: Sequence[str] | None = None) -> int:
    """Update in each way; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.replicas.upgrade", description="Upgrade under load")
    parser.add_argument("--from", dest="commit", metavar="COMMIT", default=BEFORE, help="the version before")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="concur-upgrade-") as folder:
        try:
            asyncio.run(measure(options.commit, Path(folder)))
        except NoSuchVersion as missing:
            print(f"upgrade: {missing}: fetch the history, git fetch --unshallow --tags", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
