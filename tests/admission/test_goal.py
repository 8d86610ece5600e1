"""The goal of a gate by itself: how long a request may wait, what may be spent, and whether the target is met."""

import math

import pytest

from concur_proxy.admission.goal import ANSWERS, BURST_S, CROWDED, ENOUGH, PART, SHARE, Crowd, FirstTokenGoal, Goal

FULL = Crowd(
    active=10,
    active_tokens=100_000.0,
    waiting=40,
    waiting_tokens=80_000.0,
    cache_tokens=100_000,
    prefill_tokens_s=10_000.0,
)


def test_throughput_limits_no_wait_and_never_gives_way() -> None:
    goal = FirstTokenGoal()
    assert not goal.limits_waits
    assert goal.limit_s(FULL) == math.inf
    assert not goal.gives_way(FULL)


def test_without_control_a_request_waits_for_the_contexts_of_all_sessions() -> None:
    assert FULL.uncontrolled_wait_s == pytest.approx((100_000 + 40 * 10_000) / 10_000)
    assert FirstTokenGoal(Goal.BALANCED).limit_s(FULL) == pytest.approx(PART * 50.0)


def test_a_target_leaves_time_for_the_engine() -> None:
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 30.0)
    assert goal.limit_s(FULL) == 30.0
    goal.answered(waited_s=0.0, first_token_s=9.0)
    assert goal.limit_s(FULL) == 30.0, "it had not waited, so that its context was in the cache"
    goal.answered(waited_s=20.0, first_token_s=4.0)
    assert goal.limit_s(FULL) == 26.0
    goal.answered(waited_s=20.0, first_token_s=40.0)
    assert goal.limit_s(FULL) == 0.0


@pytest.mark.parametrize("which", [Goal.BALANCED, Goal.FIRST_TOKEN])
def test_no_more_than_its_share_of_the_engine_is_spent(which: Goal) -> None:
    goal, now, spent = FirstTokenGoal(which), 0.0, 0.0
    while now < 100.0:
        now = max(now, goal.affordable_at)
        goal.let(5_000.0, FULL, now=now)
        spent += 5_000.0 / 10_000.0
    assert spent == pytest.approx(100.0 * SHARE[which] + BURST_S, abs=1.0)
    assert goal.let_through == spent / 0.5


def test_waiting_begins_when_the_sessions_need_much_more_than_the_cache_and_ends_when_they_fit() -> None:
    goal = FirstTokenGoal(Goal.BALANCED)
    assert goal.gives_way(load(CROWDED))
    assert not goal.gives_way(load(CROWDED + 0.1))
    assert not goal.gives_way(load(1.1))
    assert goal.gives_way(load(0.9))
    assert goal.gives_way(load(1.1))


def load(caches: float) -> Crowd:
    """Sessions that need so many caches."""
    return Crowd(
        active=1,
        active_tokens=1_000 * caches,
        waiting=0,
        waiting_tokens=0.0,
        cache_tokens=1_000,
        prefill_tokens_s=None,
    )


def test_the_target_is_met_if_one_answer_in_a_hundred_is_late_and_not_if_two_are() -> None:
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 10.0)
    for _ in range(ENOUGH - 1):
        goal.answered(waited_s=0.0, first_token_s=1.0)
    assert goal.standing().is_met is None
    for number in range(400):
        goal.answered(waited_s=20.0 if number % 101 == 0 else 5.0, first_token_s=1.0)
    assert goal.standing().is_met
    assert goal.standing().first_token_p99_s == 6.0
    for number in range(ANSWERS):
        goal.answered(waited_s=20.0 if number % 50 == 0 else 5.0, first_token_s=1.0)
    assert goal.standing().is_met is False
    assert goal.standing().first_token_p99_s == 21.0


def test_a_request_that_waits_beyond_the_target_now_counts() -> None:
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 10.0)
    for _ in range(ENOUGH):
        goal.answered(waited_s=0.0, first_token_s=1.0)
    assert goal.standing(longest_wait_s=9.0).is_met
    assert not goal.standing(longest_wait_s=11.0).is_met
