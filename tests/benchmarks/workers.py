"""How much more two workers do than one: `python -m tests.benchmarks.workers [--rounds N] [--seconds S]`

With one worker, everything has core 0: the gateway, the load and the engine, both in C. With two workers, everything
has cores 0 and 1, one for each worker. 64 agents send chat requests of 4 kB one after another; the engine answers at
once. Both gateways run throughout and take turns. Figures are medians of the rounds.

*CPU* is the time of the gateway's processes for one request. *Smaller part*: the share of that time that the less busy
worker took.

Two ways to count are shown. Requests a second are what this machine does with load and engine on the same cores. Both
have one thread, and the system moves them between the cores, so that a worker waits for its core now and then while the
other core is idle. The CPU time of a request does not depend on that: two cores of their own hold twice as many
requests as one core, less what a request costs more with two workers. The bar, 1.8 times, is for this second figure,
because a gateway is not meant to share its cores with its clients and engines.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.process import cpu_seconds, free_port, pin, started
from tests.benchmarks.relay.loads import LOADS, measured
from tests.benchmarks.relay.native import compiled
from tests.benchmarks.relay.proxies import Way, gateway

WORKERS = (1, 2)
TIMES = 1.8
"""How much more two workers are to do than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one measurement showed."""

    requests_s: float
    cpu_us: float
    smaller: float
    """CPU time of the less busy worker, as part of that of all."""
    p99_ms: float


def measure(load: Path, way: Way, engine: int, workers: int, seconds: float) -> Round:
    """Put the load on a gateway that has one core for each worker."""
    cores = set(range(workers))
    os.sched_setaffinity(0, cores)
    os.sched_setaffinity(engine, cores)
    processes = way.pids()[1:] or way.pids()
    for core, pid in enumerate(processes):
        pin([pid], core)
    before = [cpu_seconds(pid) for pid in processes]
    figures = measured(load, LOADS["4 kB"], port=way.port, pids=way.pids(), ping=way.ping, seconds=seconds)
    spent = [cpu_seconds(pid) - earlier for pid, earlier in zip(processes, before, strict=True)]
    return Round(
        requests_s=figures.requests_s,
        cpu_us=figures.request_cpu_us,
        smaller=min(spent) / sum(spent),
        p99_ms=figures.p99_ms,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.workers", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement (default 3)")
    given = parser.parse_args(arguments)
    seen: dict[int, list[Round]] = {workers: [] for workers in WORKERS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        load, engine = compiled("load", folder), compiled("engine", folder)
        port = free_port()
        engine_pid = stack.enter_context(started([str(engine), str(port)], port=port))
        ways = {number: stack.enter_context(gateway(port, "--workers", str(number))) for number in WORKERS}
        for _ in range(given.rounds):
            for number, way in ways.items():
                seen[number].append(measure(load, way, engine_pid, number, given.seconds))
    print("| workers | requests/s | CPU a request, us | smaller part | p99, ms |\n| --- | ---: | ---: | ---: | ---: |")
    for number, rounds in seen.items():
        rate, cpu = median(each.requests_s for each in rounds), median(each.cpu_us for each in rounds)
        smaller, p99 = median(each.smaller for each in rounds), median(each.p99_ms for each in rounds)
        print(f"| {number} | {rate:,.0f} | {cpu:,.0f} | {smaller:.0%} | {p99:.0f} |")
    one, two = ([each.requests_s for each in seen[number]] for number in WORKERS)
    spent = [median(each.cpu_us for each in seen[number]) for number in WORKERS]
    times = [after / before for before, after in zip(one, two, strict=True)]
    by_cpu = 2 * spent[0] / spent[1]
    verdict = "Reached" if by_cpu >= TIMES else "Missed"
    print(
        f"\nWhat this shows:\n\n"
        f"- A request costs {spent[0]:,.0f} us of CPU with one worker and {spent[1]:,.0f} us with two. So two cores do "
        f"{by_cpu:.2f} times as much as one. {verdict}: the bar is {TIMES:g} times.\n"
        f"- With load and engine on the same two cores, two workers answer {median(times):.2f} times as many requests "
        f"as one ({min(times):.2f} to {max(times):.2f} in the rounds). No bar."
    )


if __name__ == "__main__":
    main()
