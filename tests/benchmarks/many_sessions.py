"""Looks for leaks after many sessions: `python -m tests.benchmarks.many_sessions`.

2,048 agents run at once on four emulated engines, through two gateways that share a Redis. A third of the clients
leave: at a random moment they break off their connection, waiting or in mid-stream, and never return. The others must
get all their answers. Afterwards no request may wait or be in flight. No session may keep a place once its lease is
over and silent sessions are forgotten (after 15 s here). The gateways must not have more open files and sockets.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from random import Random

from concur_proxy.lab.demo.workload import Workload, write_scripts
from tests.replicas.agents import Agents
from tests.replicas.cluster import Cluster, metrics

SESSIONS = 2048
LEAVING = 3
"""One client in this number leaves."""
WINDOW = 24
ENGINE_FLAGS = ("--step-s", "0.05", "--decode-s", "0", "--prefill-tokens-s", "100000")
GATEWAY_FLAGS = (
    *("--law", "static", "--set", f"window={WINDOW}", "--no-work-conserving", "--fallback-window", str(WINDOW)),
    *("--session-ttl-s", "15", "--move-after-s", "2"),
)
WORKLOAD = Workload(
    agents=SESSIONS, turns=2, shared_tokens=16, first_tokens=60, growth_tokens=20, answer_tokens=8, tool_s=(0.1, 0.4)
)
LAST_S = 20.0
"""The last moment at which a client leaves, in seconds; the others need this long."""
LONGEST_S = 240.0
LEAK_S = 40.0
HEAD = """\
| sessions | left waiting | left mid-answer | other answers | errors | hung | in, s | places leaked | files leaked |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


async def crowd() -> str:
    """One run; returns the row of the table."""
    random, scripts = Random(1), write_scripts(WORKLOAD)
    async with Cluster(replicas=2, engines=4, engine_flags=ENGINE_FLAGS, gateway_flags=GATEWAY_FLAGS) as cluster:
        before = _descriptors(cluster)
        staying = Agents(cluster.replicas, [script for n, script in enumerate(scripts) if n % LEAVING])
        leaving = [Agents(cluster.replicas, [script], seed=n) for n, script in enumerate(scripts) if not n % LEAVING]
        began = time.monotonic()
        stay = asyncio.create_task(staying.run())
        await asyncio.gather(*(_leave(agents, after_s=random.uniform(0.0, LAST_S)) for agents in leaving))
        await asyncio.wait([stay], timeout=LONGEST_S)
        seconds = time.monotonic() - began
        stay.cancel()
        held, gone = await _clients_gone(cluster)
        leaked = await cluster.leaked(within_s=LEAK_S)
        more = await _more_descriptors(cluster, before)
    failures = [failure for agents in (staying, *leaving) for failure in agents.tally.failures]
    for failure in failures[:5]:
        print(f"{failure.replica}: {failure.detail}", file=sys.stderr)
    answers = sum(len(agents.tally.answered_at) for agents in (staying, *leaving))
    return (
        f"| {SESSIONS:,} | {held} | {gone - held} | {answers:,} | {len(failures)} | {staying.living} | {seconds:.0f}"
        f" | {leaked} | {more} |"
    )


async def _leave(agents: Agents, *, after_s: float) -> None:
    """Run these agents for this time, then break off their requests."""
    task = asyncio.create_task(agents.run())
    await asyncio.wait([task], timeout=after_s)
    task.cancel()
    await asyncio.wait([task])


async def _clients_gone(cluster: Cluster) -> tuple[int, int]:
    """How many clients left while they waited, and how many left in total, as the gateways count them."""
    held = gone = 0.0
    for replica in cluster.replicas:
        samples = await metrics(replica) or {}
        held += samples["concur_queue_wait_seconds_count", frozenset({("outcome", "client_gone")})]
        gone += samples["concur_request_failures_total", frozenset({("reason", "client_gone")})]
    return int(held), int(gone)


def _descriptors(cluster: Cluster) -> int:
    return sum(replica.descriptors for replica in cluster.replicas)


async def _more_descriptors(cluster: Cluster, before: int) -> int:
    """Files and sockets that stay open longer than idle connections to engines, which new requests replace."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAK_S):
            while (more := _descriptors(cluster) - before) > 0:
                await asyncio.sleep(0.5)
    return max(0, more)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.many_sessions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    print(HEAD)
    print(asyncio.run(crowd()))


if __name__ == "__main__":
    main()
