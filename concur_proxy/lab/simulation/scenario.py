"""A workload and the engines that serve it."""

import dataclasses
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Protocol

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import AtOnce, Poisson, Waves
from concur_proxy.lab.simulation.plan import AgentPlan, Arrivals, Kinship, Turn
from concur_proxy.lab.simulation.rewriting import Rewrites


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


GROUP_ID = 1 << 16
"""Distance between the `shared_id`s of groups. A scenario has fewer populations than this."""
_LEVEL_ID = 1 << 28
"""Distance between the `shared_id`s of agents, their sub-agents, and the sub-agents of these."""


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
class SubAgents:
    """The sub-agents that an agent starts together after an answer."""

    count: int
    every: int = 3
    """They are started after every so many turns, but not after the last turn."""
    kinship: Kinship = Kinship.MEMBER
    turns: Spread = Uniform(2, 5)
    shared_tokens: int = 1000
    """Their system prompt, which they share with the sub-agents of all agents of the population."""
    first_tokens: Spread = Uniform(500, 1500)
    growth_tokens: Spread = Uniform(300, 900)
    answer_tokens: Spread = Uniform(80, 220)
    gap_s: Spread = Uniform(0.5, 4.0)
    sub_agents: "SubAgents | None" = None
    """The sub-agents that each of them starts."""

    def plans(
        self, random: Random, parent: AgentPlan, *, numbers: Iterator[int], most_tokens: int
    ) -> tuple[AgentPlan, ...]:
        """The plans of the sub-agents that `parent` starts at one time."""
        plans = []
        for _ in range(self.count):
            number = next(numbers)
            plan = dataclasses.replace(
                parent,
                name=f"agent-{number}",
                number=number,
                shared_tokens=self.shared_tokens,
                shared_id=parent.shared_id % GROUP_ID + (parent.shared_id // _LEVEL_ID + 1) * _LEVEL_ID,
                family=parent.family or parent.name,
                parent=parent.name,
                kinship=self.kinship,
            )
            plans.append(with_turns(plan, self, random, numbers=numbers, most_tokens=most_tokens))
        return tuple(plans)


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
    """Number of sub-agents in every third turn that use the session's history."""
    groups: int = 1
    """The agents are divided into this many groups, in the order of their start. Each has its own shared prompt."""
    sub_agents: SubAgents | None = None
    arrivals: AtOnce | Poisson | Waves = AtOnce()  # noqa: RUF009 - frozen
    tenant: str = ""
    """The tenant of these agents, which the gateway knows. Empty: the same one as all others without a name."""
    weight: float = 1.0
    """The tenant's weight."""
    priority: int = 0
    """The agents' priority class."""
    says_end: bool = False
    has_name: bool = True
    """Whether their requests name their sessions."""
    rewrites: Rewrites | None = None
    """How they change the history that they send again; None: they send all of it."""

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:
        """The agents' plans, one after the other. An agent ends before its context exceeds `most_tokens`."""
        times = self.arrivals.times(random)
        for index in range(self.agents):
            number = next(numbers)
            plan = AgentPlan(
                name=f"agent-{number}",
                number=number,
                start_s=0.0,
                turns=(),
                shared_tokens=self.shared_tokens,
                shared_id=kind + index * self.groups // self.agents * GROUP_ID,
                tenant=self.tenant,
                weight=self.weight,
                priority=self.priority,
                says_end=self.says_end,
                has_name=self.has_name,
            )
            plan = with_turns(
                plan, self, random, numbers=numbers, most_tokens=most_tokens, side_requests=self.side_requests
            )
            if self.rewrites is not None:
                plan = self.rewrites.apply(plan)
            yield dataclasses.replace(plan, start_s=next(times))


def with_turns(
    plan: AgentPlan,
    kind: Population | SubAgents,
    random: Random,
    *,
    numbers: Iterator[int],
    most_tokens: int,
    side_requests: int = 0,
) -> AgentPlan:
    """The plan with turns of this kind. It ends before its context exceeds `most_tokens`."""
    turns: list[Turn] = []
    context = plan.shared_tokens
    count = max(1, round(kind.turns.draw(random)))
    for turn in range(count):
        new = max(1, round((kind.growth_tokens if turns else kind.first_tokens).draw(random)))
        answer = max(1, round(kind.answer_tokens.draw(random)))
        context += new + answer
        if context > most_tokens and turns:
            break
        gap_s = kind.gap_s.draw(random)
        sub_agents = kind.sub_agents
        children: tuple[AgentPlan, ...] = ()
        if sub_agents is not None and turn % sub_agents.every == sub_agents.every - 1 and turn < count - 1:
            children = sub_agents.plans(random, plan, numbers=numbers, most_tokens=most_tokens)
        side = side_requests if turn % 3 == 2 else 0
        turns.append(Turn(new_tokens=new, answer_tokens=answer, gap_s=gap_s, side_requests=side, children=children))
    return dataclasses.replace(plan, turns=tuple(turns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Agents and engines. They are the same for every policy and for every run with the same seed."""

    name: str
    summary: str
    populations: Sequence[Agents]
    shape: EngineShape = field(default_factory=EngineShape)
    engines: int = 1
    reported_tokens: int | None = None
    """The size of each engine's KV cache as its metrics give it, if that is wrong: hybrid models report a number of
    blocks that hold more tokens than their size says. None: the metrics are right.
    """
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
