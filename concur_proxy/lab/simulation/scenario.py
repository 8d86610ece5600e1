"""A workload and the engines that serve it."""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Protocol

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.plan import AgentPlan, Arrivals, Turn


class Spread(Protocol):
    """A distribution of a size or a time."""

    def draw(self, random: Random) -> float:
        """Draw a value of 0 or more."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Values between two limits, all equally probable."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """Draw a value."""
        return random.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class HeavyTailed:
    """Log-normal: most values are near the median, a few are many times as large, none is above `most`."""

    median: float
    sigma: float
    """Standard deviation of the logarithm. At 1, one value in a hundred is ten times the median."""
    most: float = math.inf

    def draw(self, random: Random) -> float:
        """Draw a value."""
        return min(random.lognormvariate(math.log(self.median), self.sigma), self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """All agents start together, as in a batch job."""

    def times(self, random: Random) -> Iterator[float]:  # noqa: ARG002 - the interface's argument
        """The start times, in order."""
        while True:
            yield 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Agents start independently of each other."""

    per_s: float

    def times(self, random: Random) -> Iterator[float]:
        """The start times, in order."""
        now = 0.0
        while True:
            now += random.expovariate(self.per_s)
            yield now


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """`size` agents start together every `every_s` seconds."""

    size: int
    every_s: float

    def times(self, random: Random) -> Iterator[float]:  # noqa: ARG002 - the interface's argument
        """The start times, in order."""
        for number in count():
            yield (number // self.size) * self.every_s


class Agents(Protocol):
    """A part of a scenario's agents."""

    @property
    def agents(self) -> int:
        """Number of agents."""
        ...

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:
        """The agents' plans in the order of their start. `kind` is the population's number in the scenario."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Agents of one kind."""

    agents: int
    turns: Spread = Uniform(10, 14)
    shared_tokens: int = 1000
    first_tokens: Spread = Uniform(1000, 2000)
    growth_tokens: Spread = Uniform(500, 1500)
    """Growth per turn: what the tool returned."""
    answer_tokens: Spread = Uniform(80, 220)
    gap_s: Spread = Uniform(0.5, 8.0)
    """Length of the tool calls."""
    side_requests: int = 0
    """Number of sub-agents in every third turn."""
    arrivals: AtOnce | Poisson | Waves = AtOnce()
    tenant: str = ""
    says_end: bool = False

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:
        """The agents' plans, one after the other. An agent ends before its context exceeds `most_tokens`."""
        times = self.arrivals.times(random)
        for _ in range(self.agents):
            number = next(numbers)
            turns: list[Turn] = []
            context = self.shared_tokens
            for turn in range(max(1, round(self.turns.draw(random)))):
                new = max(1, round((self.growth_tokens if turns else self.first_tokens).draw(random)))
                answer = max(1, round(self.answer_tokens.draw(random)))
                context += new + answer
                if context > most_tokens and turns:
                    break
                side = self.side_requests if turn % 3 == 2 else 0
                gap_s = self.gap_s.draw(random)
                turns.append(Turn(new_tokens=new, answer_tokens=answer, gap_s=gap_s, side_requests=side))
            yield AgentPlan(
                name=f"agent-{number}",
                number=number,
                start_s=next(times),
                turns=tuple(turns),
                shared_tokens=self.shared_tokens,
                shared_id=kind,
                tenant=self.tenant,
                says_end=self.says_end,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Agents and engines. They are the same for every policy and for every run with the same seed."""

    name: str
    summary: str
    populations: Sequence[Agents]
    shape: EngineShape = field(default_factory=EngineShape)
    engines: int = 1
    late_gauges: bool = False
    """Whether the engines refresh their gauges as late as SGLang does."""
    replicas: int = 1
    """Number of gateways in front of the engines, which decide as one."""

    def plans(self, random: Random) -> Arrivals:
        """The plans of all agents in the order of their start."""
        numbers = count()
        streams = [
            population.plans(
                Random(random.getrandbits(64)),  # noqa: S311 - as above
                kind=kind,
                numbers=numbers,
                most_tokens=self.shape.capacity_tokens // 2,
            )
            for kind, population in enumerate(self.populations)
        ]
        return heapq.merge(*streams, key=_start)


def _start(plan: AgentPlan) -> float:
    return plan.start_s
