import dataclasses

import pytest

from concur_proxy import plugins
from concur_proxy.lab.simulation.arrivals import Poisson, Waves
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.scenario import Scenario
from tests.lab.simulation.small import small

LAWS = plugins.available(plugins.LAWS)
SCENARIOS = {
    "at once": small(),
    "waves": small(arrivals=Waves(size=6, every_s=5.0)),
    "poisson": small(arrivals=Poisson(per_s=1.0)),
    "sub-agents": small(side_requests=2),
    "three engines": small(engines=3),
    "ends said": small(says_end=True),
}


def _policy(law: str) -> Policy:
    return Policy(name=law, law=law)


def test_a_run_is_decided_by_its_scenario_and_seed() -> None:
    scenario, policy = small(), POLICIES["tokens"]
    first = Experiment(scenario, policy, 1).run()
    assert first == Experiment(scenario, policy, 1).run()
    assert first.makespan_s != Experiment(scenario, policy, 2).run().makespan_s


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_under_every_law_every_session_finishes_and_nothing_is_left(law: str, name: str) -> None:
    scenario = SCENARIOS[name]
    experiment = Experiment(scenario, _policy(law), 1)
    result = experiment.run()
    assert result.sessions == 24
    assert result.longest_hold_s < POLICIES[law].max_hold_s if law in POLICIES else True
    for engine, gate in zip(experiment.engines, experiment.gateway.fleet.gates.values(), strict=True):
        now = gate.snapshot()
        assert (now.in_flight, now.held, now.waiting) == (0, 0, 0)
        assert (engine.model.running, engine.model.waiting, engine.model.cache.used) == (0, 0, 0)
        if scenario is SCENARIOS["ends said"]:
            assert len(gate.sessions) == 0


def test_the_same_work_is_done_under_every_policy() -> None:
    results = [Experiment(small(), policy, 3).run() for policy in (*POLICIES.values(), static(2))]
    assert len({result.requests for result in results}) == 1
    assert len({round(result.tokens_s * result.makespan_s) for result in results}) == 1


def test_a_cache_that_never_evicts_is_the_lower_bound_and_computes_nothing_twice() -> None:
    bound = Experiment(small(), POLICIES["infinite-cache"], 1).run()
    assert bound.reprefill_share < 0.05  # of each context the part of a block at its end
    for policy in POLICIES.values():
        assert Experiment(small(), policy, 1).run().makespan_s >= 0.98 * bound.makespan_s


def test_control_is_worth_something_where_caches_are_dear_and_harms_nobody_where_all_fit() -> None:
    crowded = small(agents=40, prefill_tokens_s=1_500.0)
    free, controlled = (Experiment(crowded, POLICIES[name], 1).run() for name in ("off", "tokens"))
    assert controlled.makespan_s < 0.6 * free.makespan_s
    few = small(agents=4)
    free, controlled = (Experiment(few, POLICIES[name], 1).run() for name in ("off", "tokens"))
    assert controlled.makespan_s <= 1.001 * free.makespan_s


def test_where_it_is_cheaper_to_compute_again_than_to_hold_the_gate_steps_aside() -> None:
    crowded = small(agents=40, gap_s=(20.0, 60.0))
    free, controlled = (Experiment(crowded, POLICIES[name], 1).run() for name in ("off", "tokens"))
    assert controlled.makespan_s < 1.05 * free.makespan_s


def test_a_limit_on_requests_wins_little() -> None:
    crowded = small(agents=40, prefill_tokens_s=1_500.0)
    free, limited = (Experiment(crowded, POLICIES[name], 1).run() for name in ("off", "requests"))
    assert limited.makespan_s > 0.9 * free.makespan_s


def test_a_refused_request_is_sent_again_and_its_session_finishes() -> None:
    policy = dataclasses.replace(static(1), max_hold_s=5.0)
    result = Experiment(small(agents=10), policy, 1).run()
    assert result.refusals > 0
    assert result.sessions == 10


def test_every_engine_s_course_is_kept() -> None:
    scenario: Scenario = small(engines=2)
    result = Experiment(scenario, POLICIES["tokens"], 1).run()
    assert len(result.courses) == 2
    assert all(point.reason for course in result.courses for point in course)
    assert [point.at for point in result.courses[0]] == sorted(point.at for point in result.courses[0])
