import math

import pytest

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from tests.admission.gates import Scene, load


def _outcomes(*tickets: object) -> list[Outcome | None]:
    return [getattr(ticket, "outcome", None) for ticket in tickets]


def test_sessions_pass_up_to_the_window_and_the_next_one_waits() -> None:
    scene = Scene(window=2.0)
    tickets = [scene.arrive(key) for key in "abc"]
    assert _outcomes(*tickets) == [Outcome.ADMITTED, Outcome.ADMITTED, None]
    assert scene.gate.snapshot().active == 2


def test_a_window_shrunk_and_grown_again_admits_no_one_too_many() -> None:
    scene = Scene(window=4.0)
    running = [scene.arrive(key) for key in "abcd"]
    held = scene.arrive("e")
    scene.resize(1.0)
    scene.resize(2.0)
    assert held.is_held
    scene.finish(running[3])
    scene.finish(running[2])
    assert held.is_held
    assert (scene.gate.active, scene.gate.snapshot().paused) == (2, 2)
    scene.gate.end("b", now=0.0)
    scene.finish(running[1])
    assert held.outcome is Outcome.ADMITTED


@pytest.mark.parametrize(("window", "active"), [(1.0, 1), (1.5, 1), (2.9, 2), (3.0, 3), (math.inf, 5)])
def test_only_whole_sessions_of_a_window_count(window: float, active: int) -> None:
    scene = Scene(window=window)
    for key in "abcde":
        scene.arrive(key)
    assert scene.gate.active == active


def test_a_fraction_of_a_window_does_not_pause_and_admit_by_turns() -> None:
    scene = Scene(window=2.0)
    scene.idle("a", "b")
    for _ in range(3):
        scene.resize(1.5)
    assert scene.gate.counters["pause", "window"] == 1
    assert scene.arrive("b").is_held


@pytest.mark.parametrize("window", [0.0, 0.99, -1.0, math.nan])
def test_a_window_under_which_nobody_could_pass_is_an_error_and_changes_nothing(window: float) -> None:
    scene = Scene(window=3.0)
    with pytest.raises(ValueError, match="a window must be 1 or more"):
        scene.resize(window)
    assert scene.gate.snapshot().window == 3.0
    with pytest.raises(ValueError, match="a window must be 1 or more"):
        Scene(window=window)


def test_every_request_of_an_active_session_passes_at_once_also_several() -> None:
    scene = Scene(window=1.0)
    first = scene.arrive("a")
    waiting = scene.arrive("b")
    second = scene.arrive("a")
    assert scene.decided == [second]
    assert (first.is_in_flight, second.is_in_flight, waiting.is_held) == (True, True, True)
    assert scene.session("a").in_flight == 2


def test_a_session_is_idle_only_when_its_last_parallel_request_has_ended() -> None:
    scene = Scene(window=1.0)
    parallel = [scene.arrive("a") for _ in range(3)]
    waiting = scene.arrive("b")
    scene.finish(parallel[0])
    scene.finish(parallel[2])
    scene.pass_time(50.0)
    assert waiting.is_held
    scene.finish(parallel[1])
    scene.pass_time(5.0)
    assert waiting.outcome is Outcome.ADMITTED


def test_all_held_requests_of_a_session_are_released_together_in_order() -> None:
    scene = Scene(window=1.0)
    running = scene.arrive("a", one_shot=True)
    held = [scene.arrive("b") for _ in range(3)]
    assert scene.finish(running) == held
    assert scene.gate.snapshot().held == 0


def test_new_sessions_are_served_in_order_of_arrival() -> None:
    scene = Scene(window=1.0)
    running = scene.arrive("a", one_shot=True)
    tickets = [scene.arrive(key, one_shot=True) for key in "bcd"]
    assert [scene.gate.queue.position(ticket.session) for ticket in tickets] == [1, 2, 3]
    for ticket in tickets:
        assert scene.finish(running) == [ticket]
        running = ticket


def test_a_resuming_session_comes_before_new_ones() -> None:
    scene = Scene(window=2.0)
    first, second = scene.arrive("a"), scene.arrive("b")
    new = scene.arrive("c")
    scene.resize(1.0)
    scene.finish(second)
    resuming = scene.arrive("b")
    assert (scene.gate.queue.position(resuming.session), scene.gate.queue.position(new.session)) == (1, 2)
    scene.gate.end("a", now=0.0)
    assert scene.finish(first) == [resuming]
    assert scene.gate.counters["resume", "window"] == 1


def test_a_request_whose_client_has_gone_holds_nobody_back() -> None:
    scene = Scene(window=1.0)
    running, gone, next_one = scene.arrive("a", one_shot=True), scene.arrive("b"), scene.arrive("c")
    assert scene.gate.finish(gone, Answered(client_gone=True), now=0.0) == []
    assert (gone.outcome, scene.gate.snapshot().held, scene.gate.waiting) == (Outcome.CLIENT_GONE, 1, 1)
    assert scene.finish(running) == [next_one]


def test_of_a_sessions_held_requests_one_may_leave_and_the_others_stay() -> None:
    scene = Scene(window=1.0)
    running = scene.arrive("a", one_shot=True)
    gone, stays = scene.arrive("b"), scene.arrive("b")
    scene.gate.finish(gone, Answered(client_gone=True), now=0.0)
    assert scene.finish(running) == [stays]


def test_giving_up_twice_is_the_same_as_once() -> None:
    scene = Scene(window=1.0)
    running, held = scene.arrive("a"), scene.arrive("b")
    scene.gate.finish(held, Answered(client_gone=True), now=0.0)
    assert scene.gate.finish(held, Answered(client_gone=True), now=0.0) == []
    assert scene.gate.finish(held, Answered(), now=0.0) == []
    scene.finish(running)
    assert scene.finish(running) == []
    assert (scene.gate.snapshot().in_flight, scene.gate.snapshot().held) == (0, 0)


def test_a_new_session_beyond_the_bound_is_refused_and_leaves_no_trace() -> None:
    scene = Scene(window=1.0, max_waiting=1)
    scene.arrive("a")
    scene.arrive("b")
    refused = scene.arrive("c")
    assert scene.decided == [refused]
    assert refused.outcome is Outcome.QUEUE_FULL
    assert scene.gate.sessions.get("c") is None
    assert scene.gate.counters["refuse", "queue_full"] == 1
    assert scene.gate.queue.position(refused.session) == 2


def test_further_requests_of_waiting_or_paused_sessions_are_never_refused() -> None:
    scene = Scene(window=2.0, max_waiting=1)
    scene.idle("a", "b")
    scene.resize(1.0)
    first = scene.arrive("c")
    scene.finish(scene.arrive("a"))
    assert [scene.arrive(key).outcome for key in "cb"] == [None, None]
    assert scene.gate.snapshot().paused == 1
    assert first.is_held


def test_a_full_line_refuses_nobody_while_a_lapsed_place_is_free_for_the_taking() -> None:
    scene = Scene(window=1.0, max_waiting=0)
    scene.idle("a")
    assert scene.arrive("b").outcome is Outcome.QUEUE_FULL
    scene.now = 5.0
    assert scene.arrive("b").outcome is Outcome.ADMITTED
    assert scene.session("a").state is SessionState.PAUSED


def test_whom_a_full_line_would_refuse_may_wait_if_a_lease_has_ended_meanwhile() -> None:
    scene = Scene(window=1.0, max_waiting=1)
    scene.idle("a")
    waiting = scene.arrive("b")
    scene.now = 5.0
    late = scene.arrive("c")
    assert scene.decided == [waiting]
    assert (waiting.outcome, late.is_held) == (Outcome.ADMITTED, True)


def test_a_full_line_takes_no_session_that_there_would_be_room_for_were_it_the_first() -> None:
    scene = Scene(window=1.0, max_waiting=1)
    scene.arrive("a")
    scene.gate.observe(load(running=1, waiting=0, kv_usage=0.0, capacity_tokens=100), now=0.0)
    large = scene.arrive("b", tokens=1000.0)
    assert large.is_held
    assert scene.arrive("c").outcome is Outcome.QUEUE_FULL


def test_requests_without_a_key_are_sessions_of_one_request_under_the_same_admission() -> None:
    scene = Scene(window=1.0)
    first, second = scene.arrive("\0a", one_shot=True), scene.arrive("\0b", one_shot=True)
    assert second.is_held
    assert scene.finish(first) == [second]
    scene.finish(second)
    assert len(scene.gate.sessions) == 0
    assert scene.gate.counters["end", "answered"] == 2


def test_an_observing_gate_holds_nobody_and_counts_whom_it_would_have_held() -> None:
    scene = Scene(window=1.0, enforcing=False, max_waiting=0)
    scene.arrive("a")
    assert [scene.arrive(key).outcome for key in "bc"] == [Outcome.ADMITTED] * 2
    assert scene.gate.counters["would_hold", "window"] == 2
    scene.resize(1.0)
    assert (scene.gate.active, scene.gate.snapshot().paused) == (3, 0)


def test_an_observing_gate_does_not_count_whom_a_lapsed_place_would_have_served() -> None:
    scene = Scene(window=1.0, enforcing=False)
    scene.idle("a")
    scene.now = 5.0
    scene.arrive("b")
    assert scene.gate.counters["would_hold", "window"] == 0


def test_a_draining_gate_refuses_what_is_held_and_what_comes_and_lets_the_rest_end() -> None:
    scene = Scene(window=1.0)
    running, held, one_shot = scene.arrive("a"), scene.arrive("b"), scene.arrive("c", one_shot=True)
    assert scene.gate.drain(now=0.0) == [held, one_shot]
    late = [scene.arrive(key) for key in "ad"]
    assert {ticket.outcome for ticket in (held, one_shot, *late)} == {Outcome.DRAINING}
    assert running.is_in_flight
    assert scene.finish(running) == []
    assert scene.gate.snapshot().in_flight == 0
    assert scene.gate.sessions.get("c") is None


def test_the_expected_wait_follows_the_place_and_the_rate() -> None:
    scene = Scene(window=1.0)
    running = scene.arrive("a", one_shot=True)
    tickets = [scene.arrive(key, one_shot=True) for key in "bcdef"]
    for ticket in tickets[:3]:
        scene.now += 2.0
        assert scene.finish(running) == [ticket]
        running = ticket
    _, seconds = scene.gate.expected_wait(tickets[4], now=scene.now)
    assert seconds == pytest.approx(4.0)
