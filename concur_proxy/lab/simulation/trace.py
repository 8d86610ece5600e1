"""Agents whose plans are given, such as those of a recording."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from concur_proxy.lab.simulation.plan import AgentPlan, Arrivals


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePopulation:
    """The agents of a trace, in the order of their start. They are the same for every seed."""

    recorded: Sequence[AgentPlan]

    @property
    def agents(self) -> int:
        """Number of agents."""
        return len(self.recorded)

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:  # noqa: ARG002
        """The agents' plans in the order of their start."""
        return iter(self.recorded)
