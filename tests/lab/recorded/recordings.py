"""Recordings of simulated fleets, in the format of `serve --record`."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.reader import GatewayRecording
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Population, Scenario, SubAgents, Uniform

NOON = 1_800_014_400.0
"""12:00 UTC on some day."""
COST = CostModel(step_s=0.02, prefill_tokens_s=6_000.0, decode_s=0.0006)
"""Speeds that are not the default ones."""

_AGENTS = Population(agents=16, turns=Uniform(8, 10), answer_tokens=Uniform(20, 60), gap_s=Uniform(0.5, 4.0))
CROWDED = Scenario(
    name="crowded", summary="", populations=[_AGENTS], shape=EngineShape(capacity_tokens=50_000, cost=COST)
)
"""More agents than the cache can hold."""
SLOW_TOOLS = replace(
    CROWDED,
    name="slow-tools",
    shape=EngineShape(capacity_tokens=50_000, cost=replace(COST, prefill_tokens_s=50_000.0)),
)
"""The same agents at an engine that computes its whole cache in 1 s, which is less than most tool calls take."""
ROOMY = replace(CROWDED, name="roomy", shape=EngineShape(capacity_tokens=400_000, cost=COST))
FAMILIES = replace(
    CROWDED,
    name="families",
    populations=[replace(_AGENTS, agents=6, sub_agents=SubAgents(count=2, turns=Uniform(2, 4)))],
)


def record(
    path: Path, scenario: Scenario, law: str = "off", *, streams: bool = True, tells_cached: bool = True, seed: int = 1
) -> Path:
    """Let the scenario's agents work under a law, and record what a gateway would have recorded."""
    lines: list[str] = []

    def watch(request: Request, ended_at: float) -> None:
        assert request.admitted_at is not None
        assert request.first_at is not None
        plan, at = request.plan, request.sent_at
        line: dict[str, object] = {
            "session": plan.family or plan.name,
            "turn": 0,
            "at": at,
            "prompt_tokens": request.prompt_tokens,
            "completion_tokens": request.answer_tokens,
            "cached_tokens": request.cached_tokens if tells_cached else None,
            "held_s": request.admitted_at - at,
            "duration_s": ended_at - at,
            "time": NOON + at,
            "recognised_by": "headers",
            "engine": "http://gpu:8000",
            "model": "qwen",
            "capacity_tokens": scenario.shape.capacity_tokens,
        }
        if plan.is_member:
            line["member"] = plan.name
        if streams:
            line["first_s"] = request.first_at - at
        lines.append(json.dumps(line) + "\n")

    Experiment(scenario, POLICIES[law], seed, keeps_courses=False, watch=watch).run()
    path.write_text("".join(lines))
    return path


def requests_of(path: Path) -> list[RecordedRequest]:
    """The requests of a recording in the order of their arrival."""
    return sorted(GatewayRecording(path).requests(), key=lambda request: request.at)


def request(
    session: str, at: float, prompt: int, answer: int = 10, duration_s: float = 1.0, **more: object
) -> RecordedRequest:
    """A recorded request."""
    return RecordedRequest(
        session=session,
        at=at,
        prompt_tokens=prompt,
        completion_tokens=answer,
        duration_s=duration_s,
        **more,  # type: ignore[arg-type]
    )


def by_end(requests: Iterable[RecordedRequest]) -> list[RecordedRequest]:
    """The requests in the order in which a recording has them."""
    return sorted(requests, key=lambda each: each.ended_at)
