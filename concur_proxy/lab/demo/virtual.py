"""The demo's fleet in virtual time: the same agents, engine and control law in the simulator.

No clock is involved, so a busy machine cannot change the result.
"""

from dataclasses import dataclass

from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.workload import Script, write_scripts
from concur_proxy.lab.server import tokenizer
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.plan import AgentPlan, Turn
from concur_proxy.lab.simulation.policy import Policy
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTimes:
    """Total times of the fleet, in the engine's seconds."""

    uncontrolled_s: float
    controlled_s: float

    @property
    def ratio(self) -> float:
        """How many times faster the fleet finishes with control."""
        return self.uncontrolled_s / self.controlled_s


def simulate(options: DemoOptions) -> VirtualTimes:
    """Run the fleet without control and under the demo's law."""
    plans = [plan(script, number) for number, script in enumerate(write_scripts(options.workload))]
    fleet = Scenario(
        name="demo",
        summary="the demo's fleet",
        populations=[TracePopulation(recorded=plans)],
        shape=options.emulated.shape,
    )
    off, law = Policy(name="off", law="off"), Policy(name=options.law, law=options.law)
    return VirtualTimes(
        uncontrolled_s=_total_s(fleet, off, options.workload.seed),
        controlled_s=_total_s(fleet, law, options.workload.seed),
    )


def plan(script: Script, number: int) -> AgentPlan:
    """The script in tokens, as the emulated engine counts them: each message brings the tokens of its role."""
    turns = []
    for turn in script.turns:
        new_tokens = _tokens("<|user|>", turn.text, "<|assistant|>")
        turns.append(Turn(new_tokens=new_tokens, answer_tokens=turn.answer_tokens, gap_s=turn.tool_s))
    shared_tokens = _tokens("<|system|>", script.system)
    return AgentPlan(name=script.name, number=number, start_s=0.0, turns=tuple(turns), shared_tokens=shared_tokens)


def _tokens(*parts: str) -> int:
    return len(tokenizer.encode(list(parts))) // tokenizer.TOKEN_BYTES


def _total_s(fleet: Scenario, policy: Policy, seed: int) -> float:
    return Experiment(fleet, policy, seed, keeps_courses=False).run().makespan_s
