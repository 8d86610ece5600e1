"""The goal of a gate by itself: how long a request may wait, what may be spent, and whether the target is met."""

import dataclasses
import math

import pytest

from concur_proxy.admission.crowd import HALF_LIFE_TURNS, KEPT, Crowd
from concur_proxy.admission.goal import (
    AIM,
    ANSWERS,
    BEHIND,
    CATCH_UP_S,
    CROWDED,
    ENOUGH,
    FAR_BEHIND,
    GROWN,
    HOPELESS,
    LARGER_SHARE,
    MOST_COMPUTING,
    PACE,
    PART,
    PLANNED,
    SHARE,
    WAIT_HALF_LIFE_S,
    FirstTokenGoal,
    Goal,
)

FULL = Crowd(
    active=10,
    active_tokens=100_000.0,
    pausing_tokens=0.0,
    waiting=40,
    waiting_tokens=80_000.0,
    cache_tokens=100_000,
    growth_tokens=0.0,
    prefill_tokens_s=10_000.0,
)


def test_throughput_limits_no_wait_and_never_gives_way() -> None:
    goal = FirstTokenGoal()
    assert not goal.limits_waits
    assert goal.limit_s(FULL) == math.inf
    assert not gives_way(goal, FULL)


@pytest.mark.parametrize("which", [Goal.BALANCED, Goal.FIRST_TOKEN])
def test_without_control_a_request_waits_for_the_contexts_that_do_not_fit(which: Goal) -> None:
    wait_s = (180_000 - KEPT * 100_000) / 10_000
    assert FULL.round_s == FULL.uncontrolled_wait_s == pytest.approx(wait_s)
    assert FirstTokenGoal(which).limit_s(FULL) == pytest.approx(PART[which] * wait_s)
    assert load(KEPT).uncontrolled_wait_s == 0.0
    grown = dataclasses.replace(FULL, growth_tokens=1_000.0)
    assert grown.round_s == pytest.approx(wait_s)
    assert grown.uncontrolled_wait_s == pytest.approx((50 * HALF_LIFE_TURNS * 1_000 - KEPT * 100_000) / 10_000)


def test_the_longest_wait_without_control_is_remembered_while_requests_wait() -> None:
    goal, few = FirstTokenGoal(Goal.BALANCED), dataclasses.replace(FULL, waiting_tokens=10_000.0)
    goal.review(dataclasses.replace(FULL, waiting_tokens=200_000.0))
    goal.plan([], FULL, now=0.0)
    goal.plan([], few, now=WAIT_HALF_LIFE_S)
    assert goal.limit_s(few) == pytest.approx(PART[Goal.BALANCED] * FULL.uncontrolled_wait_s / 2)
    goal.review(load(0.9))
    goal.plan([], few, now=WAIT_HALF_LIFE_S)
    assert goal.limit_s(few) == pytest.approx(PART[Goal.BALANCED] * few.uncontrolled_wait_s)


def test_a_target_leaves_time_for_the_engine() -> None:
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 30.0)
    assert goal.limit_s(FULL) == AIM * 30.0
    goal.answered(waited_s=0.0, first_token_s=9.0)
    assert goal.limit_s(FULL) == AIM * 30.0, "it had not waited, so that its context was in the cache"
    goal.answered(waited_s=20.0, first_token_s=4.0)
    assert goal.limit_s(FULL) == AIM * 30.0 - 4.0
    goal.answered(waited_s=20.0, first_token_s=9.0)
    assert goal.limit_s(FULL) == AIM * 30.0 - 9.0, "the slowest one counts"


def test_a_slow_engine_shortens_the_wait_only_so_far() -> None:
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 10.0)
    goal.answered(waited_s=1.0, first_token_s=50.0)
    assert goal.limit_s(FULL) == pytest.approx((AIM - MOST_COMPUTING) * 10.0)


@pytest.mark.parametrize("which", [Goal.BALANCED, Goal.FIRST_TOKEN])
def test_requests_that_are_let_through_take_no_more_than_their_share_of_the_cache(which: Goal) -> None:
    goal, most = FirstTokenGoal(which, 10.0), SHARE * 100_000
    assert goal.due_at(0.0, 90_000, FULL) < math.inf, "one always may, so that no request waits for ever"
    assert goal.due_at(0.0, most / 2, dataclasses.replace(FULL, pausing_tokens=most / 2)) < math.inf
    assert goal.due_at(0.0, most / 2 + 1, dataclasses.replace(FULL, pausing_tokens=most / 2)) == math.inf
    assert goal.due_at(0.0, 1, dataclasses.replace(FULL, pausing_tokens=1, cache_tokens=None)) == math.inf


@pytest.mark.parametrize("which", [Goal.BALANCED, Goal.FIRST_TOKEN])
def test_requests_are_let_through_one_after_the_other_at_a_part_of_the_prefill_rate(which: Goal) -> None:
    goal, rate = FirstTokenGoal(which, 10.0), PACE[which] * 10_000.0
    goal.let(7_000, FULL, now=100.0)
    assert goal.due_at(0.0, 1, FULL) == pytest.approx(100.0 - CATCH_UP_S + 7_000 / rate)
    goal.let(7_000, FULL, now=100.1)
    assert goal.due_at(0.0, 1, FULL) == pytest.approx(100.0 - CATCH_UP_S + 14_000 / rate)
    assert goal.let_through == 2


def test_the_first_request_is_due_earlier_if_many_follow_so_that_the_last_one_is_in_time() -> None:
    goal, rate = FirstTokenGoal(Goal.BALANCED, 60.0), PLANNED * PACE[Goal.BALANCED] * 10_000.0
    goal.plan([(0.0, 1_000.0), (1.0, 5_000.0)], FULL, now=1.0)
    assert goal.due_at(0.0, 1_000, FULL) == AIM * 60.0, "the second one is due a second later, and the first is short"
    goal.plan([(0.0, 1_000.0)] * 101, FULL, now=1.0)
    assert goal.due_at(0.0, 1_000, FULL) == pytest.approx(AIM * 60.0 - 100 * 1_000 / rate)


def late_plan(goal: FirstTokenGoal, crowd: Crowd, *, behind: float) -> bool:
    """Whether nobody waits any more when one request is behind the plan by this part of the target."""
    assert goal.target_s is not None
    goal.plan([(0.0, 1.0)], crowd, now=goal.limit_s(crowd) + behind * goal.target_s)
    return goal.gives_way


def test_nobody_waits_if_the_plan_is_far_behind_and_the_engine_is_faster_without_control() -> None:
    crowd = load(3.0)
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 1.1 * crowd.round_s)
    assert not late_plan(goal, crowd, behind=0.9 * FAR_BEHIND)
    assert not late_plan(goal, dataclasses.replace(crowd, prefill_tokens_s=None), behind=10.0), "nothing is known yet"
    assert not late_plan(FirstTokenGoal(Goal.BALANCED, 1.1 * crowd.round_s), crowd, behind=10.0), "it costs too much"
    assert not late_plan(FirstTokenGoal(Goal.FIRST_TOKEN, 0.9 * crowd.round_s), crowd, behind=10.0), "it is not faster"
    assert late_plan(goal, crowd, behind=1.1 * FAR_BEHIND)
    assert late_plan(goal, crowd, behind=0.0), "until all sessions fit"
    assert not late_plan(goal, load(0.9), behind=0.0)


def test_control_begins_again_if_the_target_is_hopeless_without_it() -> None:
    crowd = load(3.0)
    goal = FirstTokenGoal(Goal.FIRST_TOKEN, 1.1 * crowd.round_s)
    assert late_plan(goal, crowd, behind=1.0)
    assert late_plan(goal, load(4.0), behind=1.0)
    more = load(3.0 * HOPELESS)
    assert more.round_s > 1.1 * HOPELESS * crowd.round_s
    assert not late_plan(goal, more, behind=1.0)


def test_requests_get_a_larger_share_of_the_cache_while_the_plan_is_late() -> None:
    goal, target_s = FirstTokenGoal(Goal.FIRST_TOKEN, 10.0), 10.0
    let = dataclasses.replace(FULL, pausing_tokens=SHARE * 100_000)
    rest = (LARGER_SHARE - SHARE) * 100_000
    assert goal.due_at(0.0, rest, let) == math.inf
    goal.plan([(0.0, 1.0)], FULL, now=goal.limit_s(FULL) + 1.1 * BEHIND * target_s)
    assert goal.due_at(0.0, rest, let) < math.inf
    assert goal.due_at(0.0, rest + 1, let) == math.inf
    goal.plan([(0.0, 1.0)], FULL, now=goal.limit_s(FULL))
    assert goal.due_at(0.0, rest, let) == math.inf


def test_waiting_begins_when_the_sessions_need_much_more_than_the_cache_and_ends_when_they_fit() -> None:
    goal = FirstTokenGoal(Goal.BALANCED)
    assert gives_way(goal, load(CROWDED))
    assert not gives_way(FirstTokenGoal(Goal.BALANCED, 20.0), load(CROWDED)), "a target decides instead"
    assert not gives_way(goal, load(CROWDED + 0.1))
    assert not gives_way(goal, load(1.1))
    assert gives_way(goal, load(0.9))
    assert gives_way(goal, load(1.1))


def test_waiting_begins_early_if_the_sessions_will_grow_far_beyond_the_cache() -> None:
    goal, sessions = FirstTokenGoal(Goal.BALANCED), 10
    enough = GROWN * 1_000 / (sessions * HALF_LIFE_TURNS)
    early = dataclasses.replace(load(1.1), active=sessions, growth_tokens=0.9 * enough)
    assert gives_way(goal, early)
    assert not gives_way(goal, dataclasses.replace(early, growth_tokens=1.1 * enough))
    assert gives_way(goal, dataclasses.replace(load(0.9), active=sessions, growth_tokens=1.1 * enough)), "they fit now"


def gives_way(goal: FirstTokenGoal, crowd: Crowd) -> bool:
    """Whether nobody has to wait in this crowd."""
    goal.review(crowd)
    return goal.gives_way


def load(caches: float) -> Crowd:
    """Sessions that need so many caches."""
    return Crowd(
        active=1,
        active_tokens=1_000 * caches,
        pausing_tokens=0.0,
        waiting=0,
        waiting_tokens=0.0,
        cache_tokens=1_000,
        growth_tokens=0.0,
        prefill_tokens_s=1_000.0,
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
