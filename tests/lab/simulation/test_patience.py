"""Clients that give up after three tries, as the JavaScript SDKs do, in fleets that keep them waiting for minutes."""

import dataclasses

import pytest

from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.result import Tally
from tests.lab.simulation.small import small

TRIES = 3
MOST_GIVE_UP = 0.01
"""The wait of a request is an estimate, so a few give up in some runs."""
SHORT_HOLD_S = 54.0
"""The wait of a client that gives up on an answer after 60 s."""


def refusals(policy: Policy, *, agents: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], float]:
    """How often each request was refused, and the run's time. The simulated clients themselves never give up."""
    seen: list[int] = []
    count = Tally.request

    def record(tally: Tally, request: Request, *, now: float) -> None:
        seen.append(request.refusals)
        count(tally, request, now=now)

    monkeypatch.setattr(Tally, "request", record)
    result = Experiment(small(agents=agents, prefill_tokens_s=1_000.0), policy, seed, keeps_courses=False).run()
    assert result.sessions == agents
    return seen, result.makespan_s


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("policy", "agents"), [(POLICIES["tokens"], 72), (static(4), 48)], ids=["tokens", "static"])
def test_hardly_anybody_gives_up_in_a_fleet_that_needs_four_minutes(
    policy: Policy, agents: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = dataclasses.replace(policy, max_hold_s=SHORT_HOLD_S)
    seen, makespan_s = refusals(policy, agents=agents, seed=seed, monkeypatch=monkeypatch)
    assert makespan_s > 240.0, "the fleet is faster than this test needs"
    assert max(seen) >= TRIES - 1, "the fleet is less busy than this test needs"
    assert sum(refused >= TRIES for refused in seen) <= MOST_GIVE_UP * len(seen), "refused once more, a client gives up"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_longer_delays_cost_no_time(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    patient, short = (dataclasses.replace(static(4), max_hold_s=hold_s) for hold_s in (540.0, SHORT_HOLD_S))
    _, never_refused_s = refusals(patient, agents=48, seed=seed, monkeypatch=monkeypatch)
    _, refused_s = refusals(short, agents=48, seed=seed, monkeypatch=monkeypatch)
    assert refused_s < 1.1 * never_refused_s
