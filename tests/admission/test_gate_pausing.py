import pytest

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from tests.admission.gates import Scene, load


def test_a_shrunk_window_pauses_the_youngest_idle_session_at_once() -> None:
    scene = Scene(window=3.0)
    scene.idle("a", "b", "c")
    scene.resize(2.0)
    assert [scene.session(key).state for key in "abc"] == [SessionState.ACTIVE] * 2 + [SessionState.PAUSED]
    assert scene.gate.counters["pause", "window"] == 1


def test_a_session_in_flight_pauses_only_when_its_last_answer_has_ended() -> None:
    scene = Scene(window=2.0)
    scene.arrive("a")
    answers = [scene.arrive("b"), scene.arrive("b")]
    scene.resize(1.0)
    assert (scene.session("b").pausing, scene.gate.active) == (True, 2)
    scene.finish(answers[0])
    assert scene.session("b").state is SessionState.ACTIVE
    scene.finish(answers[1])
    assert scene.session("b").state is SessionState.PAUSED
    assert scene.gate.active == 1


def test_a_pausing_sessions_next_request_waits_and_is_released_in_its_turn() -> None:
    scene = Scene(window=2.0)
    senior, answer = scene.arrive("a"), scene.arrive("b")
    scene.resize(1.0)
    following = scene.arrive("b")
    assert following.is_held
    scene.finish(answer)
    assert following.is_held
    assert scene.gate.queue.position(following.session) == 1
    scene.gate.end("a", now=0.0)
    assert scene.finish(senior) == [following]


def test_a_pausing_session_is_reprieved_with_its_held_requests_when_the_window_grows() -> None:
    scene = Scene(window=2.0)
    scene.arrive("a")
    scene.arrive("b")
    scene.resize(1.0)
    held = scene.arrive("b")
    assert scene.resize(2.0) == [held]
    assert scene.gate.counters["pause", "window"] == 0


def test_a_pausing_session_is_reprieved_when_a_senior_one_ends() -> None:
    scene = Scene(window=2.0)
    senior = scene.arrive("a")
    scene.arrive("b")
    scene.resize(1.0)
    held = scene.arrive("b")
    scene.gate.end("a", now=0.0)
    assert scene.finish(senior) == [held]


def test_a_held_request_of_a_pausing_session_times_out_and_its_answer_goes_on() -> None:
    scene = Scene(window=2.0)
    scene.arrive("a")
    answer = scene.arrive("b")
    scene.resize(1.0)
    held = scene.arrive("b", hold_s=3.0)
    assert scene.pass_time(3.0) == [held]
    assert held.outcome is Outcome.HOLD_TIMEOUT
    assert answer.is_in_flight
    scene.finish(answer)
    assert scene.session("b").state is SessionState.PAUSED
    assert scene.gate.waiting == 0


def test_lapsed_sessions_lose_their_places_to_a_shrunk_window_before_younger_ones() -> None:
    scene = Scene(window=2.0)
    scene.idle("a")
    scene.now = 5.0
    scene.idle("b")
    scene.resize(1.0)
    assert (scene.session("a").state, scene.session("b").state) == (SessionState.PAUSED, SessionState.ACTIVE)
    assert scene.gate.counters["pause", "lease"] == 1


def test_nobody_pauses_whose_cache_fits_however_busy_the_engine_is() -> None:
    scene = Scene(window=2.0)
    scene.arrive("a", tokens=400)
    scene.arrive("b", tokens=400)
    scene.gate.observe(load(capacity_tokens=1_000, waiting=3, kv_usage=0.8), now=0.0)
    scene.resize(1.0)
    assert not scene.session("b").pausing
    scene.gate.observe(load(capacity_tokens=700, waiting=3, kv_usage=1.0), now=0.0)
    scene.resize(1.0)
    assert scene.session("b").pausing


def test_an_idle_session_keeps_its_place_for_its_lease_while_others_wait() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    waiting = scene.arrive("b")
    assert scene.gate.next_deadline() == 5.0
    assert scene.pass_time(4.9) == []
    assert scene.arrive("a").outcome is Outcome.ADMITTED
    assert waiting.is_held


def test_a_silent_session_holds_nobody_back_beyond_its_lease() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    waiting = scene.arrive("b")
    assert scene.pass_time(5.0) == [waiting]
    assert scene.session("a").state is SessionState.PAUSED
    assert scene.gate.counters["pause", "lease"] == 1


def test_a_lapsed_place_is_kept_while_nobody_waits_for_it_and_taken_when_somebody_does() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    scene.pass_time(50.0)
    assert scene.session("a").state is SessionState.ACTIVE
    assert scene.arrive("b").outcome is Outcome.ADMITTED


def test_of_lapsed_places_only_as_many_are_taken_as_are_needed() -> None:
    scene = Scene(window=3.0)
    scene.idle("a", "b", "c")
    scene.pass_time(50.0)
    scene.arrive("d")
    assert [scene.session(key).state.value for key in "abc"] == ["paused", "active", "active"]


@pytest.mark.parametrize("one_shot", [False, True])
def test_a_client_that_goes_away_gives_its_place_up_at_once(one_shot: bool) -> None:  # noqa: FBT001 - a parameter
    scene = Scene(window=1.0)
    running = scene.arrive("a", one_shot=one_shot)
    waiting = scene.arrive("b")
    answered = Answered(client_gone=True, first_token_s=0.5)
    assert scene.gate.finish(running, answered, now=0.0) == [waiting]
    assert (scene.gate.snapshot().in_flight, scene.gate.active) == (1, 1)
    assert scene.gate.counters["pause", "client_gone"] == (0 if one_shot else 1)


def test_a_client_that_drops_one_of_its_parallel_requests_keeps_its_place() -> None:
    scene = Scene(window=1.0)
    dropped, other = scene.arrive("a"), scene.arrive("a")
    waiting = scene.arrive("b")
    assert scene.finish(dropped, gone=True) == []
    assert scene.finish(other) == []
    assert waiting.is_held
    assert scene.session("a").state is SessionState.ACTIVE


def test_the_lease_learns_from_gaps_between_steps() -> None:
    lease = LearnedLease()
    scene = Scene(window=1.0, lease=lease)
    for _ in range(2 * LearnedLease.ENOUGH + 1):
        scene.finish(scene.arrive("a"))
        scene.now += 1.0
    assert 1.0 < lease.duration_s(Gap.LATER) < 1.5
    assert lease.duration_s(Gap.FIRST) == LearnedLease.FIRST_S


def test_the_lease_does_not_learn_from_retries_of_requests_that_were_held() -> None:
    keys = "abcdefghij"
    lease = LearnedLease()
    scene = Scene(window=len(keys), lease=lease, ttl_s=1_000.0)
    scene.idle(*keys)
    scene.resize(1.0)
    scene.now += 1.0
    for key in keys:
        scene.arrive(key, hold_s=1.0)
    assert 1.0 < lease.duration_s(Gap.FIRST) < 1.5
    scene.pass_time(1.0)
    for ticket in [scene.arrive(key) for key in keys[1:]]:
        scene.gate.finish(ticket, Answered(client_gone=True), now=scene.now)
    scene.now += 90.0
    for key in keys[1:]:
        scene.arrive(key)
    assert 1.0 < lease.duration_s(Gap.FIRST) < 1.5


def test_the_lease_does_not_learn_from_what_follows_an_abort() -> None:
    lease = LearnedLease()
    scene = Scene(window=1.0, lease=lease, ttl_s=1_000.0)
    for _ in range(2 * LearnedLease.ENOUGH):
        scene.finish(scene.arrive("a"), gone=True)
        scene.now += 1.0
    assert lease.duration_s(Gap.LATER) == LearnedLease.FIRST_S
