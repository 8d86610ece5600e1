"""Single requests are as fast as without a gateway. If each has a session id of its own, they lose some time once."""

import pytest

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform


def _seconds(policy: str, *, capacity_tokens: int) -> float:
    population = Population(
        agents=300, turns=Uniform(1, 1), shared_tokens=0, first_tokens=Uniform(300, 700), answer_tokens=Uniform(10, 20)
    )
    scenario = Scenario(
        name="single", summary="", populations=[population], shape=EngineShape(capacity_tokens=capacity_tokens)
    )
    return Experiment(scenario, POLICIES[policy], 1, keeps_courses=False).run().makespan_s


@pytest.mark.parametrize("capacity_tokens", [16_000, 40_000])
def test_single_requests_lose_no_time(capacity_tokens: int) -> None:
    direct_s = _seconds("off", capacity_tokens=capacity_tokens)
    assert _seconds("tokens-blind", capacity_tokens=capacity_tokens) <= 1.01 * direct_s


@pytest.mark.parametrize("policy", ["tokens", "tokens-no-header"])
@pytest.mark.parametrize("capacity_tokens", [16_000, 40_000])
def test_new_conversations_that_end_with_their_first_answer_lose_little_time(policy: str, capacity_tokens: int) -> None:
    # Until enough of them were silent, each counts as a session that comes back: about a second here.
    direct_s = _seconds(policy="off", capacity_tokens=capacity_tokens)
    assert _seconds(policy, capacity_tokens=capacity_tokens) <= direct_s + 1.5
