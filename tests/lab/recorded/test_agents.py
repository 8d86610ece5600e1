from collections.abc import Iterable, Sequence

import pytest

from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.conversations import MOST_NESTED
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.plan import AgentPlan
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation
from tests.lab.recorded.recordings import request


def times(plans: Iterable[AgentPlan]) -> list[tuple[float, float]]:
    """When each request of these plans is sent and answered on an endless engine that takes no time."""
    seen: list[tuple[float, float]] = []
    population = TracePopulation(recorded=list(plans))
    scenario = Scenario(name="x", summary="", populations=[population])
    Experiment(
        scenario,
        POLICIES["infinite-cache"],
        1,
        keeps_courses=False,
        watch=lambda sent, ended_at: seen.append((sent.sent_at, ended_at)),
    ).run()
    return sorted(seen)


def sizes(plan: AgentPlan) -> Sequence[int]:
    return [turn.new_tokens for turn in plan.turns]


def test_a_session_is_an_agent_whose_turns_follow_each_other() -> None:
    (plan,) = agents_of([request("a", 5.0, 100, 20, 2.0), request("a", 10.0, 150, 20, 2.0)]).plans
    assert plan.start_s == 0.0
    assert [(turn.new_tokens, turn.answer_tokens, turn.gap_s) for turn in plan.turns] == [(100, 20, 3.0), (30, 20, 0.0)]


def test_a_sub_agent_is_a_child_of_the_turn_that_started_it() -> None:
    requests = [
        request("a", 0.0, 1000, duration_s=2.0),
        request("a", 3.0, 200, member="b"),
        request("a", 5.0, 300, member="b"),
        request("a", 8.0, 1500),
    ]
    (plan,) = agents_of(requests).plans
    (child,) = plan.turns[0].children
    assert (child.start_s, child.turns[0].gap_s, plan.turns[0].gap_s) == (1.0, 1.0, 2.0)
    assert child.is_member
    assert child.family == plan.name
    first, second, third, last = times([plan])
    assert second[0] - first[1] == pytest.approx(1.0)
    assert last[0] - third[1] == pytest.approx(2.0), "the agent waits for its sub-agent"


def test_a_compacted_history_follows_the_longer_one() -> None:
    requests = [request("a", 2.0 * turn, tokens) for turn, tokens in enumerate([1000, 2000, 500, 900])]
    (plan,) = agents_of(requests).plans
    (rest,) = plan.turns[-1].children
    assert (sizes(plan), sizes(rest)) == ([1000, 990], [500, 390])
    assert len(times([plan])) == 4


def test_a_conversation_that_outlasts_the_next_turn_begins_on_its_own() -> None:
    requests = [
        request("a", 0.0, 1000),
        request("a", 2.0, 100, member="b"),
        request("a", 4.0, 1200),
        request("a", 9.0, 150, member="b"),
    ]
    plans = agents_of(requests).plans
    assert [plan.start_s for plan in plans] == [0.0, 2.0]
    assert plans[1].parent == plans[0].name


def test_the_plans_name_their_requests() -> None:
    requests = [request(name, at, 100 + int(at)) for name in ("a", "b") for at in (0.0, 2.0)]
    agents = agents_of(requests)
    assert sorted(map(id, requests)) == sorted(id(each) for answers in agents.requests.values() for each in answers)
    assert {plan.name for plan in agents.plans} == agents.requests.keys()


def test_histories_that_shrink_forever_do_not_nest_forever() -> None:
    requests = [request("a", 2.0 * turn, 5000 - turn) for turn in range(5 * MOST_NESTED)]
    agents = agents_of(requests)
    assert 1 < len(agents.plans) < 10
    assert len(times(agents.plans)) == len(requests)
