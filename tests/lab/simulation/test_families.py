"""An agent waits for its sub-agents: what is sent when."""

from dataclasses import replace

from concur_proxy.lab.simulation.agent import Agent, Request
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.plan import AgentPlan, Kinship, Turn
from concur_proxy.lab.simulation.policy import FOR_LIFE_S, POLICIES, Policy, static
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenario import Population, Scenario, SubAgents, Uniform
from concur_proxy.lab.simulation.timeline import Timeline

ANSWER_S = 10.0


def test_the_next_turn_waits_for_all_sub_agents_and_for_the_tool() -> None:
    short, long = (
        AgentPlan(name=name, number=number, start_s=0.0, turns=turns, family="root", parent="root")
        for name, number, turns in (
            ("short", 1, (Turn(new_tokens=5, answer_tokens=5),)),
            ("long", 2, (Turn(new_tokens=5, answer_tokens=5, gap_s=1.0), Turn(new_tokens=5, answer_tokens=5))),
        )
    )
    first = Turn(new_tokens=10, answer_tokens=5, gap_s=3.0, children=(short, long))
    root = AgentPlan(name="root", number=0, start_s=0.0, turns=(first, replace(first, children=())))
    timeline, sent, ended = Timeline(), list[tuple[str, float]](), list[Agent]()

    def send(request: Request) -> None:
        sent.append((request.plan.name, timeline.now))
        timeline.after(ANSWER_S, lambda: request.on_done(request))

    Agent(root, timeline, send, ended.append).step()
    timeline.run(until=lambda: False)
    assert sent == [("root", 0.0), ("short", 10.0), ("long", 10.0), ("long", 21.0), ("root", 34.0)]
    assert [agent.plan.name for agent in ended] == ["root"]
    assert timeline.now == 44.0


def test_a_family_counts_as_one_session_and_all_its_requests_are_answered() -> None:
    population = Population(agents=4, turns=Uniform(4, 4), sub_agents=SubAgents(count=2, turns=Uniform(2, 2)))
    scenario = Scenario(name="families", summary="", populations=[population])
    for policy in ("off", "tokens", "tokens-no-header", "tokens-one-key"):
        result = Experiment(scenario, POLICIES[policy], 1).run()
        assert (result.sessions, result.requests) == (4, 4 * (4 + 2 * 2)), policy


def _run(kinship: Kinship, policy: Policy) -> Result:
    """Eight agents and their sub-agents under a cap of three sessions."""
    sub_agents = SubAgents(count=2, turns=Uniform(2, 2), kinship=kinship)
    population = Population(agents=8, turns=Uniform(7, 7), sub_agents=sub_agents)
    return Experiment(Scenario(name="x", summary="", populations=[population]), policy, 1).run()


def test_sub_agents_that_name_no_parent_are_not_stuck_behind_the_places_of_their_parents() -> None:
    named, undeclared = (_run(kinship, static(3)) for kinship in (Kinship.PARENT_KEY, Kinship.UNDECLARED))
    assert (undeclared.sessions, undeclared.requests, undeclared.refusals) == (8, 8 * (7 + 2 * 2 * 2), 0)
    assert undeclared.makespan_s < 1.3 * named.makespan_s


def test_only_a_lease_for_life_makes_them_stuck() -> None:
    stuck = _run(Kinship.UNDECLARED, replace(static(3), idle_lease_s=FOR_LIFE_S))
    assert stuck.refusals > 0
    assert stuck.longest_hold_s > static(3).max_hold_s
