"""The cost of faults for agents behind three gateways: `python -m tests.benchmarks.faults`.

All faults are real: processes are killed and frozen, Redis loses its data, a network namespace delivers nothing. 64
agents work without a pause on two emulated engines, and 40 of them wait. Each turn goes to any replica, and is
tried again as an SDK does.
- *cut*: attempts that the fault itself broke: on connections of a killed replica, and answers that a killed engine had
  begun. Each was tried again with another replica. Connections that a killed replica refuses are not counted.
- *errors*: all other attempts that failed, from start to end, and all requests and agents left without an answer.
- *meanwhile*: answers per second during the fault, as a share of those before.
- *recovered*: seconds from the end of the fault until all replicas agree again and 90 % of the answers are back. The
  end is the kill, if nothing comes back. The replicas agree if one leads and knows all others. The answers of
  the next 3 s count. The error of this figure is 0.1 s.
- *leaked*: places and requests that the gateways still count when all agents have finished, and sessions that left
  without a word have been forgotten (after 15 s here).

Needs root and iproute2 for the network namespace, util-linux for the monotonic clock, and Debian's faketime for the
time of day. Takes about 13 minutes.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from concur_proxy.lab.demo.workload import Workload, write_scripts
from tests.replicas.agents import Agents
from tests.replicas.cluster import Cluster
from tests.replicas.faults import Fault, all_faults
from tests.replicas.namespace import RedisNamespace
from tests.replicas.recovery import Cost, watch

WINDOW = 12
ENGINE_FLAGS = ("--step-s", "0.04", "--decode-s", "0", "--prefill-tokens-s", "100000")
GATEWAY_FLAGS = (
    *("--law", "static", "--set", f"window={WINDOW}", "--no-work-conserving", "--fallback-window", str(WINDOW)),
    *("--session-ttl-s", "15", "--move-after-s", "2"),
)
LEAK_S = 30.0
SCRIPTS = write_scripts(
    Workload(
        agents=64, turns=6, shared_tokens=16, first_tokens=60, growth_tokens=30, answer_tokens=8, tool_s=(0.05, 0.35)
    )
)
HEAD = """\
| fault | cut by it | errors seen by clients | answers/s meanwhile | time to full recovery, s | places leaked |
| --- | ---: | ---: | ---: | ---: | ---: |"""


async def suffer(fault: Fault, *, verbose: bool) -> Cost:
    """Run one fault in a cluster of its own."""
    async with Cluster(
        replicas=3, engines=2, engine_flags=ENGINE_FLAGS, gateway_flags=GATEWAY_FLAGS, **fault.cluster
    ) as cluster:
        cost = await watch(cluster, Agents(cluster.replicas, SCRIPTS, endless=True), fault.strike, leak_s=LEAK_S)
        if verbose:
            for log in sorted(cluster.folder.glob("replica*.log")):
                print(log.name, log.read_text(), sep="\n", file=sys.stderr)
    return cost


def row(fault: Fault, cost: Cost) -> str:
    """A row of the table."""
    errors = [failure for failure in cost.failures if not fault.forces(failure)]
    for failure in errors[:5]:
        print(f"{failure.replica}: {failure.detail}", file=sys.stderr)
    print(
        f"{fault.name}: {cost.answers_s:.0f} answers/s before, agreed after {cost.agreed_s} s, answers back after"
        f" {cost.back_s} s, {cost.unfinished} agents hung",
        file=sys.stderr,
    )
    meanwhile = "" if cost.meanwhile is None else f"{cost.meanwhile:.0%}".replace("%", " %")
    recovered = "never" if cost.recovered_s is None else f"{cost.recovered_s:.1f}"
    cut = sum(failure.kind in {"broken", "cut"} and fault.forces(failure) for failure in cost.failures)
    seen = len(errors) + cost.given_up + cost.unfinished
    return f"| {fault.name} | {cut} | {seen} | {meanwhile} | {recovered} | {cost.leaked} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--freeze-s", type=float, default=30.0, help="duration of a freeze or cut")
    parser.add_argument("--only", default="", help="only faults whose names contain this")
    parser.add_argument("--verbose", action="store_true", help="print the logs of the replicas on standard error")
    given = parser.parse_args(arguments)
    print(HEAD)
    with RedisNamespace() as namespace:
        for fault in all_faults(given.freeze_s, namespace):
            if given.only in fault.name:
                print(row(fault, asyncio.run(suffer(fault, verbose=given.verbose))), flush=True)


if __name__ == "__main__":
    main()
