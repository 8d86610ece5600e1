"""A recording as a scenario of `simulate --trace`."""

from pathlib import Path

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.reader import GatewayRecording
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation


def scenario_of(path: Path, *, capacity_tokens: int | None = None) -> Scenario:
    """Read a recording as a scenario. Raises `TraceProblem` if the file is not a recording."""
    requests = list(GatewayRecording(path).requests())
    if not requests:
        raise TraceProblem(f"{path}: no request has token counts: record with ask_usage = true, the default")
    plans = agents_of(requests).plans
    shape = EngineShape() if capacity_tokens is None else EngineShape(capacity_tokens=capacity_tokens)
    largest = max(request.prompt_tokens + request.completion_tokens for request in requests)
    if not shape.fits(largest):
        raise TraceProblem(f"{path}: a session of {largest} tokens exceeds the cache: give a larger --capacity-tokens")
    return Scenario(name=path.stem, summary=f"{path}", populations=[TracePopulation(recorded=plans)], shape=shape)
