"""Single requests, each with a session id of its own, take little longer than the same requests without ids."""

from dataclasses import replace

import pytest

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform


@pytest.mark.parametrize("capacity_tokens", [16_000, 40_000])
def test_a_fresh_id_for_each_request_costs_little_time(capacity_tokens: int) -> None:
    population = Population(
        agents=300, turns=Uniform(1, 1), shared_tokens=0, first_tokens=Uniform(300, 700), answer_tokens=Uniform(10, 20)
    )
    scenario = Scenario(
        name="single", summary="", populations=[population], shape=EngineShape(capacity_tokens=capacity_tokens)
    )

    def seconds(*, ids: bool) -> float:
        policy = replace(POLICIES["tokens"], knows_sessions=ids)
        return Experiment(scenario, policy, 1, keeps_courses=False).run().makespan_s

    # Without ids nothing is reserved for growth. With ids this is known only after the first silences, about 2 s here.
    assert seconds(ids=True) <= 1.15 * seconds(ids=False)
