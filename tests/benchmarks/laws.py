"""All laws over the scenarios of the simulator: `python -m tests.benchmarks.laws` prints Markdown tables.

`--kind` chooses kinds of `concur-proxy simulate --list`. One seed of all are about 1,000 runs, which take a quarter of
an hour on two cores. `tests.benchmarks.suite` compares fewer laws in less time.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from statistics import fmean

from concur_proxy.lab.simulation.policy import BEST_STATIC, POLICIES
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenarios import KINDS, SCENARIOS
from concur_proxy.lab.simulation.suite import Row, Suite, summary, tabulate

LAWS = ("off", "aimd", "aimd-leased", "vegas", "program-aware", "idle-ttl", "tokens", "tokens-untold", "infinite-cache")
LATENCY_OF = ("off", BEST_STATIC, "aimd", "tokens")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.laws", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="repeatable (default: all)")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    given = parser.parse_args(arguments)
    suite = Suite(
        scenarios=[SCENARIOS[name] for name in given.scenario]
        if given.scenario
        else [scenario for kind in given.kind or KINDS for scenario in KINDS[kind]],
        policies=[POLICIES[name] for name in LAWS],
        seeds=range(1, given.seeds + 1),
        sweeps=True,
    )
    results: list[Result] = []
    runs = len(suite.runs)
    for result in suite.results(os.cpu_count() or 1):
        results.append(result)
        print(f"\r{len(results)} of {runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = tabulate(suite, results)
    print(f"Total time relative to the best of no control and all fixed caps; means of {given.seeds} seeds:\n")
    print("\n".join(relatives(rows)))
    print(f"\nLatency and fairness, means over the {len(suite.scenarios)} scenarios; seconds:\n")
    print("\n".join(latencies(rows)))


def relatives(rows: Sequence[Row]) -> list[str]:
    """A row per scenario, a column per law."""
    cells = {(row.scenario, row.policy): row for row in rows}
    lines = [f"| scenario | best, s | {' | '.join(LAWS)} |", f"| --- | ---: |{' ---: |' * len(LAWS)}"]
    for scenario in dict.fromkeys(row.scenario for row in rows):
        best = min((cells[scenario, name] for name in (BEST_STATIC, "off")), key=lambda row: row.makespan_s)
        cap = best.results[0].policy.removeprefix("static-")
        values = " | ".join(f"{cells[scenario, law].relative:.2f}" for law in LAWS)
        lines.append(f"| {scenario} | {best.makespan_s:.0f} ({cap}) | {values} |")
    over_all = summary(rows)
    lines.append(f"| **geometric mean** | | {' | '.join(f'{over_all[law][0]:.3f}' for law in LAWS)} |")
    lines.append(f"| **worst** | | {' | '.join(f'{over_all[law][1]:.2f}' for law in LAWS)} |")
    return lines


def latencies(rows: Sequence[Row]) -> list[str]:
    """A row per law."""
    lines = [
        "| law | TTFT p50 | TTFT p99, hold included | longest hold of all | session p50 | session p99 | Jain's index |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for law in LATENCY_OF:
        own = [row for row in rows if row.policy == law]
        names = ("ttft_p50_s", "ttft_p99_s", "session_p50_s", "session_p99_s", "jain")
        p50, p99, session_p50, session_p99, jain = (fmean(row.mean(name) for row in own) for name in names)
        hold = max(row.worst("longest_hold_s") for row in own)
        lines.append(
            f"| {law} | {p50:.1f} | {p99:.0f} | {hold:.0f} | {session_p50:.0f} | {session_p99:.0f} | {jain:.2f} |"
        )
    return lines


if __name__ == "__main__":
    main()
