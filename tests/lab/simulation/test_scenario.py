from itertools import islice
from random import Random
from statistics import median

import pytest

from concur_proxy.lab.simulation.arrivals import AtOnce, Poisson, Waves
from concur_proxy.lab.simulation.scenario import HeavyTailed, Population, Scenario, SubAgents, Uniform
from concur_proxy.lab.simulation.scenarios import SCENARIOS
from tests.lab.simulation.small import small


def test_the_same_seed_is_the_same_load_and_another_is_another() -> None:
    scenario = small()
    assert list(scenario.plans(Random(1))) == list(scenario.plans(Random(1)))
    assert list(scenario.plans(Random(1))) != list(scenario.plans(Random(2)))


def test_arrivals_are_as_they_are_called() -> None:
    random = Random(1)
    assert list(islice(AtOnce().times(random), 3)) == [0.0, 0.0, 0.0]
    assert list(islice(Waves(size=2, every_s=10).times(random), 5)) == [0.0, 0.0, 10.0, 10.0, 20.0]
    times = list(islice(Poisson(per_s=2.0).times(random), 2_000))
    assert times == sorted(times)
    assert 900 < times[-1] < 1_100


def test_populations_are_mixed_in_the_order_of_their_start_and_share_no_tokens() -> None:
    populations = [Population(agents=5), Population(agents=5, arrivals=Poisson(per_s=1.0), tenant="chat")]
    plans = list(Scenario(name="x", summary="", populations=populations).plans(Random(1)))
    assert [plan.start_s for plan in plans] == sorted(plan.start_s for plan in plans)
    assert len({plan.number for plan in plans}) == len(plans) == 10
    assert {plan.shared_id for plan in plans if plan.tenant == "chat"} == {1}


def test_no_context_of_the_suite_outgrows_half_the_cache() -> None:
    for scenario in SCENARIOS.values():
        for plan in islice(scenario.plans(Random(1)), 200):
            assert plan.turns
            assert plan.context_tokens <= scenario.shape.capacity_tokens // 2


def test_groups_share_a_prompt_each() -> None:
    population = Population(agents=6, groups=2)
    kinds = [Population(agents=1), population]
    plans = list(Scenario(name="x", summary="", populations=kinds).plans(Random(1)))
    ids = [plan.shared_id for plan in plans]
    assert len(set(ids)) == 3
    assert [ids.count(value) for value in dict.fromkeys(ids)] == [1, 3, 3]


def test_sub_agents_are_started_between_the_turns_of_their_parents() -> None:
    population = Population(
        agents=3, groups=3, turns=Uniform(7, 7), sub_agents=SubAgents(count=2, sub_agents=SubAgents(count=1, every=2))
    )
    plans = list(Scenario(name="x", summary="", populations=[population]).plans(Random(1)))
    for plan in plans:
        assert [len(turn.children) for turn in plan.turns] == [0, 0, 2, 0, 0, 2, 0]
    children = [child for plan in plans for turn in plan.turns for child in turn.children]
    grandchildren = [each for child in children for turn in child.turns for each in turn.children]
    assert grandchildren
    assert len({plan.number for plan in (*plans, *children, *grandchildren)}) == 15 + len(grandchildren)
    assert len({plan.shared_id for plan in plans}) == 3
    assert len({child.shared_id for child in children}) == 1, "sub-agents of all groups share their prompt"
    assert len({plan.shared_id for plan in (*plans, *children, *grandchildren)}) == 5
    assert {child.parent for child in children} == {plan.name for plan in plans}
    assert {each.parent for each in grandchildren} <= {child.name for child in children}
    assert {each.family for each in (*children, *grandchildren)} == {plan.name for plan in plans}


def test_uniform_values_lie_between_the_two() -> None:
    values = [Uniform(2.0, 3.0).draw(Random(seed)) for seed in range(100)]
    assert all(2.0 <= value <= 3.0 for value in values)


def test_a_heavy_tail_has_its_median_and_its_bound() -> None:
    random = Random(1)
    values = [HeavyTailed(2.0, 1.5, 100.0).draw(random) for _ in range(2_000)]
    assert median(values) == pytest.approx(2.0, rel=0.2)
    assert max(values) == 100.0
    assert sum(value > 20.0 for value in values) > 50
