"""Each scenario does what its line in `concur-proxy simulate --list` says, and its agents come to their ends."""

import dataclasses
from itertools import islice, pairwise
from random import Random

import pytest

from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.arrivals import AtOnce
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.plan import AgentPlan, block_keys
from concur_proxy.lab.simulation.policy import POLICIES, Policy
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.rollouts import RollOuts
from concur_proxy.lab.simulation.scenario import Agents, Population, Scenario, Uniform
from concur_proxy.lab.simulation.scenarios import KINDS, SCENARIOS
from concur_proxy.lab.simulation.scenarios_paper import DEEPSEEK_CONTEXT, QWEN_CONTEXT
from tests.lab.simulation.small import small

NEW = ("roll-outs", "histories", "no-key", "engines", "paces", "tenants")


def _few(part: Agents) -> Agents:
    """A tenth of these agents, for fewer turns, at once."""
    if isinstance(part, RollOuts):
        agent = dataclasses.replace(part.agent, turns=Uniform(3, 4))
        return dataclasses.replace(part, groups=2, samples=2, agent=agent, step_s=5.0)
    assert isinstance(part, Population)
    few = dataclasses.replace(part, agents=max(2, part.agents // 16), arrivals=AtOnce())
    return few if few.rewrites is not None else dataclasses.replace(few, turns=Uniform(3, 4))


def _run(scenario: Scenario, policy: Policy = POLICIES["tokens"]) -> tuple[Result, list[Request]]:
    requests: list[Request] = []
    experiment = Experiment(scenario, policy, 1, keeps_courses=False, watch=lambda request, _: requests.append(request))
    return experiment.run(), requests


@pytest.mark.parametrize("name", [scenario.name for kind in NEW for scenario in KINDS[kind]])
def test_every_agent_gets_all_its_answers(name: str) -> None:
    scenario = dataclasses.replace(SCENARIOS[name], populations=list(map(_few, SCENARIOS[name].populations)))
    result, requests = _run(scenario)
    plans = list(scenario.plans(Random(1)))
    assert result.sessions == len(plans)
    assert len(requests) >= sum(len(plan.turns) for plan in plans)


def test_names_and_lines_are_different() -> None:
    scenarios = [scenario for kind in KINDS.values() for scenario in kind]
    assert len({scenario.name for scenario in scenarios}) == len({each.summary for each in scenarios}) == len(scenarios)
    assert all(len(scenario.summary) <= 110 for scenario in scenarios)


def _plans(name: str) -> list[AgentPlan]:
    return list(islice(SCENARIOS[name].plans(Random(1)), 200))


def test_roll_outs_of_a_task_share_their_first_prompt_start_together_and_take_as_many_turns() -> None:
    groups: dict[int, list[AgentPlan]] = {}
    for plan in _plans("roll-outs-in-steps"):
        groups.setdefault(plan.shared_id, []).append(plan)
    assert [len(group) for group in groups.values()] == [16] * 8
    for group in groups.values():
        assert len({len(plan.turns) for plan in group}) == 1
        assert {plan.turns[0].new_tokens for plan in group} == {1}, "nothing but the shared prompt"
    assert [group[0].start_s for group in groups.values()] == [0, 0, 90, 90, 180, 180, 270, 270]
    one, other = next(iter(groups.values()))[:2]
    keys = [block_keys(plan, 6000, 16) for plan in (one, other)]
    assert keys[0] == keys[1]


def test_three_quarters_of_each_answer_are_dropped() -> None:
    for plan in _plans("dropped-reasoning"):
        for turn in plan.turns:
            assert turn.dropped_tokens / turn.answer_tokens == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(("name", "limit"), [("edits", 10_000), ("compaction", 12_000)])
def test_histories_become_shorter_above_the_limit(name: str, limit: int) -> None:
    shortened = 0
    for plan in _plans(name):
        prompts = [turn.content.prompt_tokens for turn in plan.turns if turn.content is not None]
        assert len(prompts) == len(plan.turns)
        assert max(prompts) < limit + 6_000
        shortened += any(later < before for before, later in pairwise(prompts))
    assert shortened > 32, "in most sessions"


def test_unrecognised_agents_come_without_a_key_and_one_of_two_kinds_has_one() -> None:
    for scenario in KINDS["no-key"]:
        named = {plan.has_name for plan in _plans(scenario.name)}
        assert named == ({True, False} if scenario.name == "no-key-for-half" else {False})


def test_a_hybrid_engine_reports_too_few_tokens_and_the_gateway_finds_out() -> None:
    right = small(agents=12)
    wrong = dataclasses.replace(right, reported_tokens=right.shape.capacity_tokens // 30)
    believed = Experiment(wrong, POLICIES["tokens"], 1)
    result = believed.run()
    capacity = believed.gateway.loops[0].tokens.capacity
    assert capacity is not None
    assert capacity.reported == 800
    assert capacity.tokens is not None
    assert capacity.tokens >= right.shape.capacity_tokens // 2, "the longest context that the engine accepts"
    assert result.makespan_s < 1.5 * _run(right)[0].makespan_s


def test_a_host_tier_is_used() -> None:
    scenario = SCENARIOS["host-tier-small"]
    assert scenario.shape.host_tokens == scenario.shape.capacity_tokens
    assert scenario.shape.cost.load_tokens_s < SCENARIOS["host-tier"].shape.cost.load_tokens_s


def test_people_pause_for_longer_than_the_tools_of_a_training_run() -> None:
    means = {}
    for name in ("human-paced", "training-paced"):
        gaps = [turn.gap_s for plan in _plans(name) for turn in plan.turns]
        means[name] = sum(gaps) / len(gaps)
    assert means["human-paced"] > 40
    assert means["training-paced"] < 3


def test_tenants_are_of_different_kinds() -> None:
    assert {(plan.tenant, plan.weight, plan.priority) for plan in _plans("people-and-batch")} == {
        ("people", 3.0, 1),
        ("batch", 1.0, 0),
    }
    plans = _plans("three-tenants")
    assert {plan.tenant for plan in plans} == {"families", "roll-outs", "people"}
    assert {plan.tenant for plan in plans if any(turn.children for turn in plan.turns)} == {"families"}
    assert {plan.tenant for plan in plans if not plan.has_name} == {"people"}


@pytest.mark.parametrize(
    ("name", "context"), [("paper-qwen3-8", QWEN_CONTEXT), ("paper-deepseek-16", DEEPSEEK_CONTEXT)]
)
def test_contexts_of_the_paper_are_those_of_its_figure(name: str, context: int) -> None:
    sizes = [plan.context_tokens for plan in _plans(name)]
    assert sum(sizes) / len(sizes) == pytest.approx(context, rel=0.05)


def test_the_batch_of_the_paper_fits_into_eight_gpus_and_not_into_two() -> None:
    def wanted(name: str) -> float:
        return (
            sum(plan.context_tokens for plan in SCENARIOS[name].plans(Random(1)))
            / SCENARIOS[name].shape.capacity_tokens
        )

    assert wanted("paper-qwen3-8") < 1 < wanted("paper-deepseek-16") < 3 < wanted("paper-qwen3-2")
