"""The engine's speeds in a replay, and how well a recording shows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.alone import estimate_alone
from concur_proxy.lab.recorded.fit import fit
from concur_proxy.lab.recorded.part import FleetLoad
from concur_proxy.lab.recorded.replay import ReplayedTurn, replay
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.policy import Policy

LEAST_REQUESTS = 30
"""Fewer requests do not show the speeds."""
MOST_CHECKED = 2000
"""Their error is measured with so many requests from the beginning."""
SHORTEST_S = 0.02
"""Differences in times below this do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Speeds, and the relative error of the durations that they give."""

    cost: CostModel = CostModel()  # noqa: RUF009 - frozen
    answers: int = 0
    """Answers of which the error is known. 0: the recording does not show the speeds, and they are assumed."""
    median_error: float = 0.0
    p90_error: float = 0.0
    model: str = ""
    """The model whose answers they are, if the recording has several."""
    outside_s: float = 0.0
    """Time of each answer that is no work of the engine and not replayed."""
    shows_prefill: bool = True
    """Whether the recording shows the speed of prompt tokens. Otherwise it is assumed."""


def speeds_alone(requests: Sequence[RecordedRequest]) -> Speeds:
    """The speeds that single answers show, whatever else their engines did."""
    found = estimate_alone(requests)
    if found is None:
        return Speeds()
    return Speeds(
        cost=found.cost,
        answers=len(found.errors),
        median_error=found.errors[len(found.errors) // 2],
        p90_error=found.errors[len(found.errors) * 9 // 10],
        model=found.model,
        outside_s=found.outside_s,
        shows_prefill=found.shows_prefill,
    )


def speeds_under_load(load: FleetLoad, *, shape: EngineShape, policy: Policy, on_try: Callable[[], None]) -> Speeds:
    """The speeds with which a replay of the load takes as long as it took under this policy."""
    if len(load.requests) < LEAST_REQUESTS:
        return Speeds()
    cost = fit(load, shape=shape, policy=policy, on_try=on_try).cost
    agents = agents_of(load.requests[:MOST_CHECKED])
    arm = replay(agents, engines=load.engines, shape=replace(shape, cost=cost), policy=policy)
    errors = sorted(map(_error, arm.turns))
    return Speeds(
        cost=cost,
        answers=len(errors),
        median_error=errors[len(errors) // 2],
        p90_error=errors[len(errors) * 9 // 10],
    )


def _error(turn: ReplayedTurn) -> float:
    """The relative error of its duration without the wait for admission."""
    recorded_s = turn.recorded.duration_s - turn.recorded.wait_s
    return abs(turn.duration_s - turn.wait_s - recorded_s) / max(recorded_s, SHORTEST_S)
