"""Requests that do not fit, in a gate that limits tokens: each of them blocks only itself."""

import math

import pytest

from concur_proxy.admission.apart import LONGEST_S, MOST_OVERTAKES
from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from concur_proxy.control.law import Budget
from concur_proxy.monitoring.signals import SignalMaker
from tests.admission.gates import Scene
from tests.monitoring.test_signals import RATES

CACHE = 1_000


def limited(tokens: float = 900.0, *, most: int | None = None, capacity: int | None = CACHE) -> Scene:
    """A gate with this window of an engine with this cache. Its model accepts prompts of `most` tokens."""
    scene = Scene(window=1.0, lease=FixedLease(3600.0), work_conserving=False)
    busy = EngineLoad(running=1, waiting=1, kv_usage=0.5, capacity_tokens=capacity, max_model_len=most)
    scene.gate.observe(busy, now=0.0)
    scene.gate.resize(math.inf, now=0.0, budget=Budget(tokens=tokens, reserve_turns=0.0))
    return scene


def at_work(scene: Scene, tokens: float = 500.0) -> None:
    """A session that is between two turns and keeps its place."""
    scene.finish(scene.arrive("agent", tokens=tokens), prompt=round(tokens), completion=0)


@pytest.mark.parametrize(("most", "capacity"), [(None, CACHE), (CACHE, None), (500, CACHE), (None, None)])
def test_a_prompt_beyond_what_the_engine_accepts_goes_there_at_once_and_counts_nothing(
    most: int | None, capacity: int | None
) -> None:
    scene = limited(most=most, capacity=capacity)
    at_work(scene)
    big = scene.arrive("big", tokens=20_000)
    assert big.is_in_flight, "only the engine knows its length"
    assert scene.gate.footprint_tokens == 500
    assert scene.arrive("small", tokens=100).is_in_flight
    scene.gate.finish(big, Answered(refused=True), now=0.0)
    assert scene.gate.sessions.get("big") is None
    assert scene.gate.counters["admit", "alone"] == 1


def test_only_one_of_them_is_at_the_engine_at_a_time() -> None:
    scene = limited()
    at_work(scene)
    first, second, third = (scene.arrive(f"big-{number}", tokens=20_000) for number in range(3))
    assert (first.is_in_flight, second.is_held, third.is_held) == (True, True, True)
    assert scene.arrive("small", tokens=100).is_in_flight
    assert scene.gate.next_deadline() == pytest.approx(100.0), "they wait for an event, not for a time"
    assert scene.gate.finish(first, Answered(refused=True), now=0.0) == [second]
    assert scene.gate.finish(second, Answered(client_gone=True), now=0.0) == [third]


def test_a_session_that_waits_apart_goes_there_at_once_if_its_next_prompt_is_such_a_one() -> None:
    scene = limited()
    at_work(scene)
    first = scene.arrive("big", tokens=600)
    assert first.is_held, "others pass it"
    second = scene.arrive("big", tokens=20_000)
    assert (first.is_in_flight, second.is_in_flight) == (True, True)


def test_if_the_engine_accepts_such_a_prompt_its_true_size_counts_and_teaches_little() -> None:
    scene = limited()
    at_work(scene)
    before = scene.gate.accounts.estimator.tokens_per_byte
    big = scene.arrive("big", tokens=20_000)
    scene.finish(big, prompt=300, completion=0)
    assert scene.session("big").footprint == 300
    assert scene.gate.accounts.estimator.tokens_per_byte == before
    again = scene.arrive("big", tokens=320)
    assert again.is_in_flight
    assert scene.gate.footprint_tokens == 820


def test_an_established_session_keeps_the_footprint_of_its_context() -> None:
    scene = limited()
    at_work(scene)
    scene.arrive("agent", tokens=20_000)
    assert scene.gate.footprint_tokens == 500


def test_others_pass_a_session_that_needs_most_of_the_window() -> None:
    scene = limited()
    at_work(scene)
    big = scene.arrive("big", tokens=600)
    assert big.is_held
    small = [scene.arrive(f"small-{number}", tokens=10) for number in range(3)]
    assert all(ticket.is_in_flight for ticket in small)
    assert (scene.gate.waiting, scene.gate.place_of(scene.session("big"))) == (1, 1)
    assert scene.gate.end("agent", now=0.0) == [big], "it fits as soon as the others leave room"


def test_it_is_admitted_for_one_answer_after_a_time() -> None:
    scene = limited()
    at_work(scene)
    big = scene.arrive("big", tokens=600)
    assert scene.gate.expected_wait(big, now=0.0) == (1, LONGEST_S)
    assert scene.pass_time(LONGEST_S - 1) == []
    assert scene.gate.next_deadline() == LONGEST_S
    assert scene.pass_time(1) == [big]
    assert scene.arrive("small", tokens=10).is_held, "the cache is full as long as it is at the engine"
    (small,) = scene.finish(big, prompt=600, completion=0)
    assert small.session.key == "small"
    assert scene.session("big").state is SessionState.PAUSED
    assert scene.session("agent").state is SessionState.ACTIVE


def test_it_is_admitted_before_an_impatient_client_leaves() -> None:
    scene = limited()
    at_work(scene)
    big = scene.arrive("big", tokens=600, hold_s=40.0)
    assert scene.pass_time(10.0) == [big]


def test_it_is_admitted_after_so_many_have_passed_it() -> None:
    scene = limited()
    at_work(scene)
    big = scene.arrive("big", tokens=600)
    for number in range(MOST_OVERTAKES):
        assert big.is_held
        scene.arrive(f"small-{number}", tokens=1)
    assert big.is_in_flight


def test_a_session_that_needs_less_than_half_of_the_window_is_not_passed() -> None:
    scene = limited()
    at_work(scene, 600)
    middle, small = scene.arrive("middle", tokens=400), scene.arrive("small", tokens=10)
    assert (middle.is_held, small.is_held) == (True, True)


def test_the_law_does_not_see_that_it_waits() -> None:
    scene = limited()
    at_work(scene)
    scene.arrive("big", tokens=600)
    assert (scene.gate.waiting, scene.gate.snapshot().apart) == (1, 1)
    assert SignalMaker().advance(RATES, scene.gate.snapshot()).queued_sessions == 0


def test_it_may_leave_in_every_way() -> None:
    scene = limited()
    at_work(scene)
    gone, late, other = (scene.arrive(name, tokens=600, hold_s=3.0) for name in ("gone", "late", "other"))
    scene.finish(gone, gone=True)
    assert scene.gate.steer(scene.session("other"), Steering.PAUSE, now=0.0) == []
    assert scene.gate.waiting == 1
    assert scene.gate.steer(scene.session("other"), Steering.RESUME, now=0.0) == []
    assert scene.gate.waiting == 2
    assert scene.gate.steer(scene.session("other"), Steering.PRIORITISE, now=0.0) == [other]
    scene.pass_time(3.0)
    assert late.outcome is Outcome.HOLD_TIMEOUT
    assert scene.gate.waiting == 0


def test_it_returns_to_the_queue_if_tokens_are_limited_no_longer() -> None:
    scene = limited()
    at_work(scene)
    big = scene.arrive("big", tokens=600)
    assert scene.gate.resize(1.0, now=0.0) == []
    assert big.session in scene.gate.queue
    assert scene.gate.resize(2.0, now=0.0) == [big]


def test_it_is_admitted_if_nobody_has_to_wait_any_more() -> None:
    scene = limited()
    at_work(scene)
    big = scene.arrive("big", tokens=600)
    assert scene.gate.enforce(enforcing=False, now=0.0) == [big]


def test_a_second_request_of_it_waits_with_the_first() -> None:
    scene = limited()
    at_work(scene)
    first, second = scene.arrive("big", tokens=600), scene.arrive("big", member="sub", tokens=10)
    assert scene.gate.waiting == 1
    assert scene.gate.end("agent", now=0.0) == [first, second]
