"""Checks that several gateways limit as one gateway does: `python -m tests.benchmarks.replicas`.

The same agents run on four emulated engines with a fixed window each, through 1, 2 and 4 gateways that share a Redis.
Each turn goes to any gateway. Shown are medians of the rounds, and the worst of all samples, taken five times per
second:
- *sessions above the window*: active sessions of an engine above its window, as the leader counts them
- *requests above the window*: requests at an engine above its window, as the engine itself counts them. An agent has
  one request at a time, so this is above 0 only if sessions are active beyond the window.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from concur_proxy.lab.demo.workload import Workload, write_scripts
from tests.replicas.agents import Agents
from tests.replicas.cluster import Cluster, metrics

REPLICAS = (1, 2, 4)
ENGINES = 4
WINDOW = 6
ENGINE_FLAGS = ("--step-s", "0.1", "--decode-s", "0", "--prefill-tokens-s", "100000")
GATEWAY_FLAGS = (
    *("--law", "static", "--set", f"window={WINDOW}", "--no-work-conserving", "--fallback-window", str(WINDOW)),
    *("--session-ttl-s", "15"),
)
SCRIPTS = write_scripts(
    Workload(
        agents=72, turns=8, shared_tokens=16, first_tokens=60, growth_tokens=20, answer_tokens=8, tool_s=(0.1, 0.7)
    )
)
SAMPLE_S = 0.2
LONGEST_S = 180.0
LEAK_S = 30.0
HEAD = """\
| replicas | total time, s | to one replica | sessions above the window | requests above the window | errors | leaked |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(slots=True, kw_only=True)
class Run:
    """The figures of one run."""

    makespan_s: float = 0.0
    sessions_above: float = 0.0
    requests_above: float = 0.0
    errors: int = 0
    leaked: int = 0


async def run(replicas: int) -> Run:
    """Run the fleet through this number of replicas."""
    result = Run()
    async with Cluster(
        replicas=replicas, engines=ENGINES, engine_flags=ENGINE_FLAGS, gateway_flags=GATEWAY_FLAGS
    ) as cluster:
        agents = Agents(cluster.replicas, SCRIPTS)
        sampling = asyncio.create_task(_sample(cluster, result))
        began = time.monotonic()
        tally = await asyncio.wait_for(agents.run(), LONGEST_S)
        result.makespan_s = time.monotonic() - began
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling
        result.errors = len(tally.failures) + len(SCRIPTS) - tally.finished
        result.leaked = await cluster.leaked(within_s=LEAK_S)
    return result


async def _sample(cluster: Cluster, result: Run) -> None:
    while True:
        for told in (await cluster.standings()).values():
            if told.role == "leading":
                above = max(told.actives[engine] - window for engine, window in told.windows.items())
                result.sessions_above = max(result.sessions_above, above)
        for engine in cluster.engines:
            samples = await metrics(engine) or {}
            wanted = {"vllm:num_requests_running", "vllm:num_requests_waiting"}
            requests = sum(value for (name, _), value in samples.items() if name in wanted)
            result.requests_above = max(result.requests_above, requests - WINDOW)
        await asyncio.sleep(SAMPLE_S)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.replicas",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds; the median is shown (default 3)")
    given = parser.parse_args(arguments)
    runs: dict[int, list[Run]] = {count: [] for count in REPLICAS}
    for _ in range(given.rounds):
        for count in REPLICAS:
            runs[count].append(asyncio.run(run(count)))
    print(HEAD)
    one = median(each.makespan_s for each in runs[1])
    for count, each in runs.items():
        makespan = median(r.makespan_s for r in each)
        print(
            f"| {count} | {makespan:.1f} | {makespan / one - 1:+.1%} | {max(r.sessions_above for r in each):g}"
            f" | {max(r.requests_above for r in each):g} | {sum(r.errors for r in each)}"
            f" | {sum(r.leaked for r in each)} |".replace("%", " %")
        )


if __name__ == "__main__":
    main()
