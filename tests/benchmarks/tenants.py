"""Two tenants share an engine: `python -m tests.benchmarks.tenants` prints a Markdown table.

A tenant with 1,000 sessions, 200 of them families with sub-agents, fills the engine. A minute later another tenant
comes with 3 sessions, one of them a family. Virtual time; each row is one run of the simulator, and one of the small
tenant alone.

*Share* is the small tenant's part of the weighted tokens that both were served while it had work for more than its
share: until the first of its sessions ended. It must be within 5 points of its weight. It is shown if the small tenant
waited for at least half of that time; else it got all that it asked for. *Wait* is the small tenant's longest wait, and
*alone* is the same without the other tenant. It must be at most twice as long, plus the longest turn of the run.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import AtOnce
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.portions import Portions
from concur_proxy.lab.simulation.scenario import Population, Scenario, SubAgents, Uniform

MOST_OFF = 0.05
LATER_S = 60.0
FLOOD = 1_000
LONG, SHORT = Uniform(120, 140), Uniform(20, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: the small tenant's weight relative to the large one's, and how places are limited."""

    policy: Policy
    weight: float
    turns: Uniform = LONG
    """Turns of the small tenant's sessions."""


CASES = (
    *(Case(policy=static(2), weight=weight) for weight in (1.0, 3.0)),
    *(Case(policy=static(8), weight=weight, turns=SHORT) for weight in (1.0, 3.0)),
    *(Case(policy=POLICIES["tokens"], weight=weight, turns=SHORT) for weight in (1.0, 3.0)),
)


class Outcome:
    """What one case has shown."""

    def __init__(self, case: Case, *, flood: int = FLOOD, seed: int = 1) -> None:
        shared, alone = (_run(case, size, seed) for size in (flood, 0))
        self.case = case
        during = (LATER_S, shared.first_end_s("small"))
        self.length_s = during[1] - during[0]
        self.is_contested = shared.waiting_s("small", during) >= self.length_s / 2
        """Whether the small tenant had work for more than its share."""
        self.share = shared.shares(during)["small"]
        self.wait_s, self.alone_s = shared.longest_wait_s("small"), alone.longest_wait_s("small")
        self.large_wait_s = shared.longest_wait_s("large")
        self.turn_s = shared.longest_turn_s()

    @property
    def due(self) -> float:
        """The small tenant's weight, as a part of both."""
        return self.case.weight / (self.case.weight + 1.0)

    @property
    def is_fair(self) -> bool:
        """Whether the case meets the bars."""
        has_share = not self.is_contested or abs(self.share - self.due) <= MOST_OFF
        return has_share and self.wait_s <= 2 * self.alone_s + self.turn_s

    def row(self) -> str:
        """The case as a row of the table."""
        share = f"{100 * self.share:.1f} %" if self.is_contested else ""
        return (
            f"| {self.case.policy.name} | {self.case.weight:g} : 1 | {100 * self.due:.0f} % | {share} "
            f"| {self.length_s:.0f} | {self.wait_s:.1f} | {self.alone_s:.1f} | {self.turn_s:.1f} "
            f"| {self.large_wait_s:.0f} | {'yes' if self.is_fair else 'no'} |"
        )


def scenario(case: Case, flood: int) -> Scenario:
    """The load of the case. Without a flood, the small tenant is alone."""
    family = SubAgents(count=3)
    gap = Uniform(0.2, 2.0)

    def small(agents: int, sub_agents: SubAgents | None = None) -> Population:
        return Population(
            agents=agents,
            turns=case.turns,
            first_tokens=Uniform(500, 1000),
            growth_tokens=Uniform(100, 160),
            gap_s=gap,
            arrivals=AtOnce(at_s=LATER_S),
            tenant="small",
            weight=case.weight,
            sub_agents=sub_agents,
        )

    def large(agents: int, sub_agents: SubAgents | None = None) -> Population:
        return Population(agents=agents, turns=Uniform(4, 8), gap_s=gap, tenant="large", sub_agents=sub_agents)

    populations = [small(1, family), small(2)]
    if flood:
        populations += [large(flood - flood // 5), large(flood // 5, family)]
    return Scenario(name="tenants", summary="", populations=populations, shape=EngineShape(capacity_tokens=200_000))


def _run(case: Case, flood: int, seed: int) -> Portions:
    portions = Portions()
    Experiment(scenario(case, flood), case.policy, seed, keeps_courses=False, watch=portions.add).run()
    return portions


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table. The exit status is 1 if a case is not fair."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tenants", description=__doc__)
    parser.add_argument("--flood", type=int, default=FLOOD, help=f"sessions of the large tenant (default {FLOOD})")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    print("| Window | Weights | Due | Share | Measured, s | Wait, s | Alone, s | Turn, s | Large waits, s | Fair |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    outcomes = [Outcome(case, flood=given.flood, seed=given.seed) for case in CASES]
    for outcome in outcomes:
        print(outcome.row())
    if not all(outcome.is_fair for outcome in outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
