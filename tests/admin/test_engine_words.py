from dataclasses import replace

from concur_proxy.admin.engine_words import at_work, goal_in_words
from concur_proxy.admission.goal import ENOUGH, FirstTokenGoal, Goal
from tests.admission.gates import Scene


def test_it_says_who_waits_and_why_nobody_does() -> None:
    scene = Scene(window=1.0)
    assert at_work(scene.gate.snapshot(), is_enforcing=True) == "healthy, nothing to do"
    scene.arrive("a")
    running = scene.gate.snapshot()
    assert at_work(running, is_enforcing=True) == "healthy, nobody waits"
    assert "tool calls take so long" in at_work(replace(running, gives_way="lease"), is_enforcing=True)
    assert "hardly any session comes back" in at_work(replace(running, gives_way="no_returns"), is_enforcing=True)
    assert "only observes" in at_work(replace(running, gives_way="lease"), is_enforcing=False)
    scene.arrive("b")
    assert at_work(scene.gate.snapshot(), is_enforcing=True) == "healthy and full: 1 session waiting"


def test_it_says_whether_the_target_of_the_goal_is_met() -> None:
    assert goal_in_words(FirstTokenGoal().standing()) == "throughput"
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 30.0)
    assert goal_in_words(goal.standing()) == "first-token; target 30 s: not known yet"
    for _ in range(ENOUGH):
        goal.answered(waited_s=11.0, first_token_s=1.0)
    assert goal_in_words(goal.standing()) == "first-token; 99 % of first tokens within 12 s; target 30 s: met"
    assert goal_in_words(goal.standing(longest_wait_s=40.0)).endswith("target 30 s: not met")
