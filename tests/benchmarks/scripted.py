"""The fleet of the demo as a scenario of the simulator: the same agents, turn by turn."""

from collections.abc import Sequence

from concur_proxy.lab.demo.workload import Script, Workload, write_scripts
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.plan import AgentPlan, Turn
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation


def scripted_scenario(workload: Workload, shape: EngineShape, *, bytes_per_token: float) -> Scenario:
    """The agents of the workload. Texts become tokens at this rate."""
    scripts = write_scripts(workload)
    plans = [_plan(script, number, bytes_per_token) for number, script in enumerate(scripts)]
    return Scenario(name="fleet", summary="", populations=[TracePopulation(recorded=plans)], shape=shape)


def _plan(script: Script, number: int, bytes_per_token: float) -> AgentPlan:
    turns: Sequence[Turn] = [
        Turn(
            new_tokens=max(1, round(len(turn.text) / bytes_per_token)),
            answer_tokens=turn.answer_tokens,
            gap_s=turn.tool_s,
        )
        for turn in script.turns
    ]
    shared = round(len(script.system) / bytes_per_token)
    return AgentPlan(name=script.name, number=number, start_s=0.0, turns=tuple(turns), shared_tokens=shared)
