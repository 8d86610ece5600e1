"""Roll-outs of reinforcement learning: many agents work on the same task, and a step has many tasks."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from concur_proxy.lab.simulation.arrivals import AtOnce
from concur_proxy.lab.simulation.plan import Arrivals
from concur_proxy.lab.simulation.scenario import GROUP_ID, Population, Spread, Uniform


@dataclass(frozen=True, slots=True, kw_only=True)
class RollOuts:
    """Groups of agents. Those of one group have the whole first prompt in common, start together, and take the same
    number of turns, so that they end at about the same time.
    """

    groups: int
    samples: int
    """Agents of each group."""
    agent: Population
    """What each of them is like. Its `turns` are drawn once for a group."""
    prompt_tokens: Spread = Uniform(2000, 4000)  # noqa: RUF009 - frozen
    """System prompt and task, drawn once for a group."""
    groups_a_step: int | None = None
    """A training step has this many groups, which start together. None: there is one step."""
    step_s: float = 120.0
    """Time from the start of a step to the start of the next one."""

    @property
    def agents(self) -> int:
        """Number of agents."""
        return self.groups * self.samples

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:
        """The agents' plans, group after group."""
        for group in range(self.groups):
            turns = round(self.agent.turns.draw(random))
            step = group // self.groups_a_step if self.groups_a_step else 0
            samples = dataclasses.replace(
                self.agent,
                agents=self.samples,
                turns=Uniform(turns, turns),
                shared_tokens=round(self.prompt_tokens.draw(random)),
                first_tokens=Uniform(1, 1),
                arrivals=AtOnce(at_s=step * self.step_s),
            )
            yield from samples.plans(random, kind=kind + group * GROUP_ID, numbers=numbers, most_tokens=most_tokens)
