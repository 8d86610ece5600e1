"""A goal in the gate: requests that have waited for as long as it allows are let through for one answer."""

import math

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.goal import AIM, CATCH_UP_S, CROWDED, ENOUGH, PACE, SHARE, Goal
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import HOLD_S, Scene, body_of

CACHE = 1_000
SIZE = 400.0
"""Tokens of each session: two fit."""


class Crowded(Scene):
    """The scene and the first request of each session."""

    tickets: list[Ticket]


def crowded(
    goal: Goal,
    target_s: float | None = None,
    *,
    sessions: int = 6,
    size: float = SIZE,
    tenant_places: int | None = None,
) -> Crowded:
    """A gate whose cache holds two of these sessions, if they have the usual size. The first ones have a request in
    flight, the others wait.
    """
    scene = Crowded()
    options = GateOptions(work_conserving=False, goal=goal, first_token_target_s=target_s)
    scene.gate = SessionGate(options=options, lease=FixedLease(3600.0), window=1.0, engine="e")
    scene.gate.observe(EngineLoad(running=1, waiting=1, kv_usage=0.5, capacity_tokens=CACHE), now=0.0)
    scene.gate.resize(math.inf, now=0.0, budget=Budget(tokens=900.0, reserve_turns=0.0))
    scene.gate.accounts.engine_prefill_tokens_s = 1_000.0
    scene.tickets = []
    for number in range(sessions):
        arrival = Arrival(
            key=f"s{number}", body_bytes=body_of(size), hold_s=HOLD_S, tenant="t", max_active=tenant_places
        )
        scene.tickets.append(scene.gate.arrive(Whereabouts(session=f"s{number}"), arrival, now=0.0)[0])
    return scene


def test_throughput_lets_nobody_through() -> None:
    scene = crowded(Goal.THROUGHPUT)
    assert (scene.gate.active, scene.gate.waiting) == (2, 4)
    assert scene.pass_time(900.0) == []
    assert not scene.gate.queue.waits, "nothing is kept that only a limit needs"


def test_a_request_that_has_waited_long_is_let_through_for_one_answer() -> None:
    scene = crowded(Goal.BALANCED, 20.0)
    due = AIM * 20.0
    assert scene.gate.next_deadline() == pytest.approx(due)
    assert scene.pass_time(due - 0.1) == []
    (ticket,) = scene.pass_time(0.2)
    assert ticket.session.key == "s2", "the one that waited longest"
    assert scene.gate.counters["admit", "goal"] == 1
    assert scene.gate.active == 3
    assert scene.pass_time(50.0) == [], "one at a time in so small a cache"
    (following,) = scene.finish(ticket, prompt=400, completion=10)
    assert following.session.key == "s3"
    assert ticket.session.state is SessionState.PAUSED, "it was let through for one answer only"
    assert scene.arrive("s2", tokens=SIZE).is_held


def test_everybody_is_let_through_in_turn_so_that_nobody_starves() -> None:
    scene = crowded(Goal.BALANCED, 20.0, sessions=12)
    served = []
    decided = scene.pass_time(20.0)
    while decided:
        (ticket,) = decided
        served.append(ticket.session.key)
        scene.now += 1.0
        decided = scene.finish(ticket, prompt=400, completion=10)
    assert served == [f"s{number}" for number in range(2, 12)]


def test_requests_that_are_let_through_follow_each_other_at_the_pace_until_they_have_their_share() -> None:
    size = 0.3 * SHARE * CACHE
    scene = crowded(Goal.FIRST_TOKEN, 20.0, sessions=30, size=size)
    scene.gate.accounts.engine_prefill_tokens_s = 100.0
    apart_s, due = size / (PACE[Goal.FIRST_TOKEN] * 100.0), AIM * 20.0
    assert 2 * apart_s > CATCH_UP_S
    assert scene.pass_time(due - 0.01) == []
    first, _ = scene.pass_time(0.01)
    assert scene.gate.next_deadline() == pytest.approx(due - CATCH_UP_S + 2 * apart_s)
    assert len(scene.pass_time(2 * apart_s - CATCH_UP_S + 0.01)) == 1
    assert scene.pass_time(50.0) == [], "four would be more than their share"
    assert len(scene.finish(first, prompt=round(size), completion=1)) == 1


def test_a_tenant_gets_no_more_places_than_it_may_have() -> None:
    scene = crowded(Goal.FIRST_TOKEN, 20.0, tenant_places=2)
    assert (scene.gate.active, scene.gate.waiting) == (2, 4)
    assert scene.pass_time(900.0) == []
    assert scene.gate.active == 2


def test_without_a_target_nobody_waits_until_the_sessions_need_much_more_than_the_cache() -> None:
    assert CROWDED * CACHE > 4 * SIZE
    scene = crowded(Goal.BALANCED, sessions=4)
    assert (scene.gate.active, scene.gate.waiting) == (4, 0)
    assert scene.gate.snapshot().gives_way == "goal"
    assert crowded(Goal.BALANCED, sessions=12).gate.waiting > 0


def test_the_standing_counts_the_request_that_waits_now() -> None:
    scene = crowded(Goal.FIRST_TOKEN, 20.0)
    for number in range(ENOUGH):
        ticket = scene.arrive("s0") if number else scene.tickets[0]
        answered = Answered(prompt_tokens=400, completion_tokens=1, first_token_s=0.5)
        scene.gate.finish(ticket, answered, now=0.0)
    assert scene.gate.goal_standing(now=1.0).is_met
    assert not scene.gate.goal_standing(now=21.0).is_met


def test_the_law_judges_again_when_the_sessions_have_paused_that_came_before_control() -> None:
    scene = crowded(Goal.BALANCED, sessions=20, size=100.0)
    assert scene.gate.snapshot().gives_way == "goal"
    scene.tickets.append(scene.arrive("s20", tokens=100.0))
    last = scene.arrive("s21", tokens=100.0)
    assert last.is_held
    scene.finish(scene.tickets[0], prompt=100, completion=0)
    assert scene.gate.snapshot().is_overfull
    scene.pass_time(10.0)
    leaving = [ticket for ticket in reversed(scene.tickets) if ticket.session.pausing]
    while last.is_held:
        scene.finish(leaving.pop(0), prompt=100, completion=0)
    assert last.session.is_let_through
    assert scene.gate.snapshot().is_overfull
    for ticket in leaving:
        scene.finish(ticket, prompt=100, completion=0)
    assert last.session.pausing
    assert not scene.gate.snapshot().is_overfull


def test_each_reading_of_the_engine_plans_for_those_that_wait_behind_the_first() -> None:
    scene = crowded(Goal.FIRST_TOKEN, 20.0)
    alone = scene.gate.next_deadline()
    scene.gate.observe(EngineLoad(running=1, waiting=1, kv_usage=0.5, capacity_tokens=CACHE), now=0.0)
    planned = scene.gate.next_deadline()
    assert alone is not None
    assert planned is not None
    assert planned < alone


def test_nobody_waits_any_more_once_a_reading_shows_that_all_fit() -> None:
    scene = crowded(Goal.BALANCED, sessions=12)
    waiting = scene.gate.waiting
    assert waiting > 0
    larger = EngineLoad(running=1, waiting=1, kv_usage=0.1, capacity_tokens=100 * CACHE)
    assert len(scene.gate.observe(larger, now=0.0)) == waiting


def test_a_target_of_less_than_a_second_is_met_if_nobody_waits() -> None:
    scene = crowded(Goal.FIRST_TOKEN, 0.5, sessions=0)
    for _ in range(ENOUGH):
        ticket = scene.arrive("s", tokens=SIZE)
        scene.gate.finish(ticket, Answered(prompt_tokens=400, completion_tokens=10, first_token_s=0.1), now=0.0)
    standing = scene.gate.goal_standing(now=9.0)
    assert standing.is_met
    assert standing.first_token_p99_s == pytest.approx(0.1)


def test_a_target_is_missed_as_soon_as_a_request_has_waited_for_longer() -> None:
    scene = crowded(Goal.FIRST_TOKEN, 20.0, sessions=0)
    for _ in range(ENOUGH):
        ticket = scene.arrive("s", tokens=SIZE)
        scene.gate.finish(ticket, Answered(prompt_tokens=400, completion_tokens=10, first_token_s=0.1), now=0.0)
    scene.now = 100.0
    for key in "sab":
        ticket = scene.arrive(key, tokens=SIZE)
    assert ticket.is_held
    met = [scene.gate.goal_standing(now=now).is_met for now in (100.0, 119.0, 121.0)]
    assert met == [True, True, False]
