"""What the session header is worth: `python -m tests.benchmarks.no_header` prints a Markdown table.

The same fleets in virtual time, in the same run, five times: with a session key for each agent, without keys, with one
key for all agents, without keys or readable prompts, and without any gateway. `--scenario` chooses other fleets of
`concur-proxy simulate --list`. Three seeds take about a minute on two cores.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence

from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenarios import SCENARIOS
from concur_proxy.lab.simulation.scenarios_shared import FAMILIES, FLEET, SHARED
from concur_proxy.lab.simulation.suite import Row, Suite, tabulate

DIRECT = "off"
KEYED = "tokens"
OTHERS = {"tokens-no-header": "no key", "tokens-one-key": "one key for all", "tokens-blind": "blind"}
DEFAULT = (FLEET, *SHARED, *FAMILIES)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.no_header", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    given = parser.parse_args(arguments)
    suite = Suite(
        scenarios=[SCENARIOS[name] for name in given.scenario] if given.scenario else DEFAULT,
        policies=[POLICIES[name] for name in (DIRECT, KEYED, *OTHERS)],
        seeds=range(1, given.seeds + 1),
    )
    results: list[Result] = []
    runs = len(suite.runs)
    for result in suite.results(os.cpu_count() or 1):
        results.append(dataclasses.replace(result, courses=()))
        print(f"\r{len(results)} of {runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print("\n".join(table(tabulate(suite, results))))


def table(rows: Sequence[Row]) -> list[str]:
    """A row for each fleet. The last columns have the total time, its ratio to no gateway, and how much is left of what
    the agents' own keys gain over no gateway.
    """
    times = {(row.scenario, row.policy): row.makespan_s for row in rows}
    others = " | ".join(OTHERS.values())
    lines = [
        f"| fleet; total time in s, relative to no gateway, gain kept | no gateway | own key | {others} |",
        f"| --- | ---: | ---: |{' ---: |' * len(OTHERS)}",
    ]
    slowest = dict.fromkeys(OTHERS, 0.0)
    for scenario in dict.fromkeys(row.scenario for row in rows):
        direct_s, keyed_s = times[scenario, DIRECT], times[scenario, KEYED]
        cells = [f"{direct_s:.0f}", f"{keyed_s:.0f}, {keyed_s / direct_s:.2f}"]
        for policy in OTHERS:
            seconds = times[scenario, policy]
            slowest[policy] = max(slowest[policy], seconds / direct_s)
            cells.append(f"{seconds:.0f}, {seconds / direct_s:.2f}")
            if keyed_s < direct_s:
                cells[-1] += f", {100 * (direct_s - seconds) / (direct_s - keyed_s):.0f} %"
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    lines.append(f"| worst, relative to no gateway | | | {' | '.join(f'{ratio:.2f}' for ratio in slowest.values())} |")
    return lines


if __name__ == "__main__":
    main()
