"""Whether anything is left of many sessions: `python -m tests.benchmarks.many_sessions`.

2,048 agents at once before four emulated engines, through two gateways that share a Redis. A third of the clients
leave: at a random moment they break their connection off, held or mid-stream, and are never heard of again. The others
must get all their answers. Then nothing may be in flight or held, no session may keep a place once its lease is over
and the silent ones are forgotten (15 s here), and the gateways must have no more files and sockets open.
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
"""One in so many leaves."""
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
"""Nobody leaves later than this: what the others need."""
LONGEST_S = 240.0
LEAK_S = 40.0
HEAD = """\
| sessions | left mid-hold | left mid-answer | other answers | errors | hung | in, s | places leaked | files leaked |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


async def crowd() -> str:
    """One run; returns the table's row."""
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
    """Take part for so long; a request under way then is broken off."""
    task = asyncio.create_task(agents.run())
    await asyncio.wait([task], timeout=after_s)
    task.cancel()
    await asyncio.wait([task])


async def _clients_gone(cluster: Cluster) -> tuple[int, int]:
    """How many clients left while they were held, and how many while they waited for an answer or its rest or were
    held, by the gateways' own counts.
    """
    held = gone = 0.0
    for replica in cluster.replicas:
        samples = await metrics(replica) or {}
        held += samples["concur_queue_wait_seconds_count", frozenset({("outcome", "client_gone")})]
        gone += samples["concur_request_failures_total", frozenset({("reason", "client_gone")})]
    return int(held), int(gone)


def _descriptors(cluster: Cluster) -> int:
    return sum(replica.descriptors for replica in cluster.replicas)


async def _more_descriptors(cluster: Cluster, before: int) -> int:
    """Those that stay open longer than idle connections to engines are kept, which new requests replace."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAK_S):
            while (more := _descriptors(cluster) - before) > 0:
                await asyncio.sleep(0.5)
    return max(0, more)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table of one row."""
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
