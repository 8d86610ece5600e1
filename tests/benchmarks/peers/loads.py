"""The loads of the comparison: agents, and the emulated engine that they use, in real time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from concur_proxy.lab.demo.virtual import plans
from concur_proxy.lab.demo.workload import Kind, Script, Workload, write_scripts
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import CAPS, static
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation
from tests.benchmarks.arms import best_cap

ENGINE = EmulatorOptions(capacity_tokens=60_000, token_budget=2_048)
"""The default engine's speed with a fifth of its cache."""
FLEET = Workload(
    agents=64, turns=10, shared_tokens=200, first_tokens=300, growth_tokens=200, answer_tokens=40, tool_s=(0.3, 2.0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A fleet and what its requests say."""

    name: str
    summary: str
    workload: Workload
    has_names: bool = True
    says_end: bool = True
    """Whether an agent says that it has ended."""
    warm_up_agents: int = 26
    warm_up_turns: int = 5
    warm_up_growth: float = 1.0
    """Growth of an agent's history in the warm-up, as a share of what it is in the fleet."""

    def scripts(self, seed: int) -> list[Script]:
        """The agents."""
        return write_scripts(replace(self.workload, seed=seed))

    def warm_up(self) -> list[Script]:
        """Agents that fit into the cache and make more than 100 tool calls, as many as vllm-router's statistics want
        before they are used.
        """
        workload = replace(
            self.workload,
            agents=self.warm_up_agents,
            turns=self.warm_up_turns,
            growth_tokens=round(self.warm_up_growth * self.workload.growth_tokens),
            seed=99,
            kinds=(Kind.NAMED,),
        )
        return [replace(script, name=f"warm-{script.name}") for script in write_scripts(workload)]


LOADS = (
    Load(name="base", summary="64 agents of 10 turns, tools of 0.3 to 2 s", workload=FLEET),
    Load(
        name="short tools",
        summary="the same with tools of 0.05 to 0.5 s",
        workload=replace(FLEET, tool_s=(0.05, 0.5)),
    ),
    Load(
        name="shared prompts",
        summary="the same with 1,500 shared tokens of system prompt",
        workload=replace(FLEET, shared_tokens=1_500),
    ),
    Load(
        name="families",
        summary="48 agents that start two sub-agents of three turns each after their first answer",
        workload=replace(FLEET, agents=48, kinds=(Kind.FAMILY,)),
    ),
    Load(name="no release", summary="base, but no agent says that it has ended", workload=FLEET, says_end=False),
    Load(
        name="no header",
        summary="base, but no request names its session or says that it is the last",
        workload=FLEET,
        has_names=False,
        says_end=False,
    ),
)


@cache
def simulated_best_cap(load: Load, seed: int) -> int:
    """The fixed number of sessions under which the load ends first, by the simulator."""
    scripts: Sequence[Script] = load.scripts(seed)
    population = TracePopulation(recorded=plans(scripts))
    fleet = Scenario(name=load.name, summary=load.summary, populations=[population], shape=ENGINE.shape)
    return best_cap(CAPS, lambda cap: Experiment(fleet, static(cap), seed, keeps_courses=False).run().makespan_s)[0]
