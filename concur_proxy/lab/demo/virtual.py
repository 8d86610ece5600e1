"""The demo's fleet in virtual time: the same agents, engine and control law in the simulator.

No clock is involved, so a busy machine cannot change the result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from concur_proxy.lab.demo.course import Course, Turns
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.workload import Script, write_scripts
from concur_proxy.lab.server import tokenizer
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.plan import AgentPlan, Kinship, Turn
from concur_proxy.lab.simulation.policy import Policy
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTimes:
    """Total times of the fleet, in the engine's seconds."""

    uncontrolled_s: float
    controlled_s: float
    courses: tuple[Course, ...] = field(default=(), repr=False)
    """What happened: without control, and with it."""

    @property
    def ratio(self) -> float:
        """How many times faster the fleet finishes with control."""
        return self.uncontrolled_s / self.controlled_s


def simulate(options: DemoOptions) -> VirtualTimes:
    """Run the fleet without control and under the demo's law."""
    fleet = Scenario(
        name="demo",
        summary="the demo's fleet",
        populations=[TracePopulation(recorded=plans(write_scripts(options.workload)))],
        shape=options.emulated.shape,
    )
    free = _course(fleet, Policy(name="off", law="off"), options.workload.seed)
    controlled = _course(fleet, Policy(name=options.law, law=options.law), options.workload.seed)
    return VirtualTimes(uncontrolled_s=free.total_s, controlled_s=controlled.total_s, courses=(free, controlled))


def plans(scripts: Sequence[Script]) -> list[AgentPlan]:
    """The scripts in tokens, as the emulated engine counts them: each message brings the tokens of its role."""
    numbers, systems = count(), {script.system: number for number, script in enumerate(scripts)}
    return [_plan(script, numbers, systems) for script in scripts]


def _plan(script: Script, numbers: Iterator[int], systems: Mapping[str, int], family: str = "") -> AgentPlan:
    number, family = next(numbers), family or script.name
    turns = tuple(
        Turn(
            new_tokens=_tokens("<|user|>", turn.text, "<|assistant|>"),
            answer_tokens=turn.answer_tokens,
            gap_s=turn.tool_s,
            children=tuple(_plan(child, numbers, systems, family) for child in turn.children),
        )
        for turn in script.turns
    )
    return AgentPlan(
        name=script.name,
        number=number,
        start_s=0.0,
        turns=turns,
        shared_tokens=_tokens("<|system|>", script.system),
        shared_id=systems[script.system],
        has_name=script.has_name,
        family=family if script.parent else "",
        parent=script.parent,
        kinship=Kinship.PARENT_KEY,
    )


def _tokens(*parts: str) -> int:
    return len(tokenizer.encode(list(parts))) // tokenizer.TOKEN_BYTES


def _course(fleet: Scenario, policy: Policy, seed: int) -> Course:
    turns = Turns()
    result = Experiment(fleet, policy, seed, watch=turns.add).run()
    has_gateway = policy.law != "off"
    return turns.course(result, capacity_tokens=fleet.shape.capacity_tokens, has_gateway=has_gateway)
