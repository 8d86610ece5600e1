"""Fits the engine's speeds to a recording.

Streams show them directly. Without streams, or without counts of cached tokens, single requests do not show how long
they waited inside the engine. Then the speeds are searched for with which a replay of the beginning takes as long.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.part import FleetLoad
from concur_proxy.lab.recorded.replay import Arm, ReplayedTurn, replay
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.recorded.speeds import estimate
from concur_proxy.lab.simulation.policy import Policy

MOST_REQUESTS = 600
MOST_GENERATED = 120_000
SHARE = 1 / 3
"""Part of the requests to which the speeds are fitted. The replay's error is measured with the others."""
LEAST_REST = 40
"""If fewer requests would be left for that, all are used for both."""

STEPS = (1.5, 1.15, 1.05)
"""Factors by which each number is raised and lowered, one after the other, as long as that helps."""
MOST_TRIES = 40
LEAST_GAIN = 1e-3
SHORTEST_S = 0.02
"""Differences in times below this do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The speeds, and the requests to which they were fitted."""

    cost: CostModel
    requests: Sequence[RecordedRequest]
    is_checked: bool
    """Whether other requests are left to check it with."""


def fit(load: FleetLoad, *, shape: EngineShape, policy: Policy, on_try: Callable[[], None]) -> Fit:
    """Fit the speeds to a part of the load, which was recorded under this policy. `on_try` is called after each try."""
    every = _every(load.requests)
    cost, is_known = estimate(load.requests, every)
    if is_known:
        return Fit(cost=cost, requests=every, is_checked=len(every) < len(load.requests))
    first = _beginning(load.requests)
    agents = agents_of(first)

    def miss(cost: CostModel) -> float:
        arm = replay(agents, engines=load.engines, shape=replace(shape, cost=cost), policy=policy)
        on_try()
        return difference(arm)

    return Fit(cost=_search(cost, miss), requests=first, is_checked=len(first) < len(load.requests))


def difference(arm: Arm) -> float:
    """How far the replay's times are from the recorded ones: the mean difference of their logarithms, and that of their
    sum. Of a stream, the times before and after its first token count on their own.
    """
    pairs = [pair for turn in arm.turns for pair in _times(turn)]
    total = math.log(sum(ours for ours, _ in pairs) / sum(theirs for _, theirs in pairs))
    return fmean(abs(math.log(ours / theirs)) for ours, theirs in pairs) + abs(total)


def _times(turn: ReplayedTurn) -> Iterator[tuple[float, float]]:
    recorded = turn.recorded
    if recorded.first_token_s is None:
        yield turn.duration_s + SHORTEST_S, recorded.duration_s + SHORTEST_S
        return
    yield turn.first_token_s + SHORTEST_S, recorded.first_token_s + SHORTEST_S
    yield (
        turn.duration_s - turn.first_token_s + SHORTEST_S,
        recorded.duration_s - recorded.first_token_s + SHORTEST_S,
    )


def _every(requests: Sequence[RecordedRequest]) -> Sequence[RecordedRequest]:
    """Requests of the whole time, so that they show the engine under all its loads."""
    step = round(1 / SHARE)
    return requests[::step] if len(requests) * (1 - SHARE) >= LEAST_REST else requests


def _beginning(requests: Sequence[RecordedRequest]) -> Sequence[RecordedRequest]:
    most = int(len(requests) * SHARE)
    if len(requests) - most < LEAST_REST or most < LEAST_REST / 2:
        most = len(requests)
    generated = 0
    for number, request in enumerate(requests[:most]):
        generated += request.completion_tokens
        if number == MOST_REQUESTS or (number and generated > MOST_GENERATED):
            return requests[:number]
    return requests[:most]


def _search(cost: CostModel, miss: Callable[[CostModel], float]) -> CostModel:
    """Change the speeds by ever smaller factors, together and one by one, and keep what brings the replay nearer."""
    best, tries = miss(cost), 1
    for step in STEPS:
        is_better = True
        while is_better and tries < MOST_TRIES:
            is_better = False
            for candidate in _near(cost, step):
                found = miss(candidate)
                tries += 1
                if found < best - LEAST_GAIN:
                    cost, best, is_better = candidate, found, True
    return cost


def _near(cost: CostModel, step: float) -> Iterator[CostModel]:
    for factor in (step, 1 / step):
        yield replace(
            cost,
            prefill_tokens_s=cost.prefill_tokens_s / factor,
            step_s=cost.step_s * factor,
            decode_s=cost.decode_s * factor,
        )
        yield replace(cost, prefill_tokens_s=cost.prefill_tokens_s / factor)
        yield replace(cost, step_s=cost.step_s * factor)
        yield replace(cost, decode_s=cost.decode_s * factor)
