import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene


def test_an_idle_session_ends_at_once_and_its_place_goes_on() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    waiting = scene.arrive("b")
    assert scene.gate.end("a", now=0.0) == [waiting]
    assert scene.gate.sessions.get("a") is None
    assert scene.gate.counters["end", "said"] == 1


def test_a_session_in_flight_ends_with_its_last_answer() -> None:
    scene = Scene(window=1.0)
    parallel = [scene.arrive("a"), scene.arrive("a")]
    waiting = scene.arrive("b")
    assert scene.gate.end("a", now=0.0) == []
    assert scene.finish(parallel[0]) == []
    assert scene.finish(parallel[1]) == [waiting]
    assert scene.gate.sessions.get("a") is None


def test_a_waiting_session_that_is_to_end_is_served_first() -> None:
    scene = Scene(window=1.0)
    running, last = scene.arrive("a", one_shot=True), scene.arrive("b")
    assert scene.gate.end("b", now=0.0) == []
    assert scene.finish(running) == [last]
    scene.finish(last)
    assert len(scene.gate.sessions) == 0


def test_a_pausing_session_that_is_to_end_is_served_first() -> None:
    scene = Scene(window=2.0)
    senior, answer = scene.arrive("a"), scene.arrive("b")
    scene.resize(1.0)
    last = scene.arrive("b")
    scene.gate.end("b", now=0.0)
    scene.finish(answer)
    assert scene.session("b").state is SessionState.PAUSED
    scene.gate.end("a", now=0.0)
    assert scene.finish(senior) == [last]
    scene.finish(last)
    assert len(scene.gate.sessions) == 0


def test_a_waiting_session_that_is_to_end_ends_with_its_last_client() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a")
    held = scene.arrive("b")
    scene.gate.end("b", now=0.0)
    scene.gate.finish(held, Answered(client_gone=True), now=0.0)
    assert scene.gate.sessions.get("b") is None
    assert scene.gate.counters["end", "client_gone"] == 1


def test_an_unknown_session_does_not_end() -> None:
    scene = Scene()
    assert scene.gate.end("nobody", now=0.0) == []
    assert not scene.gate.counters


def test_a_key_that_comes_back_after_its_end_is_a_new_session() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    old = scene.session("a")
    scene.gate.end("a", now=0.0)
    waiting = [scene.arrive("b", one_shot=True), scene.arrive("c"), scene.arrive("a")]
    assert scene.session("a") is not old
    assert [ticket.is_held for ticket in waiting] == [False, True, True]
    assert scene.gate.queue.position(waiting[2].session) == 2


def test_a_session_that_is_silent_for_its_time_to_live_is_forgotten() -> None:
    scene = Scene(window=1.0, ttl_s=60.0)
    scene.idle("a")
    assert scene.gate.next_deadline() == 60.0
    scene.pass_time(59.0)
    assert scene.session("a").state is SessionState.ACTIVE
    scene.pass_time(1.0)
    assert (len(scene.gate.sessions), scene.gate.active, scene.gate.next_deadline()) == (0, 0, None)
    assert scene.gate.counters["end", "idle"] == 1


def test_a_session_whose_only_client_left_the_line_is_forgotten_at_once() -> None:
    scene = Scene(window=1.0, ttl_s=1800.0)
    running, held = scene.arrive("a"), scene.arrive("b")
    scene.gate.finish(held, Answered(client_gone=True), now=0.0)
    assert scene.gate.sessions.get("b") is None
    assert scene.gate.counters["end", "client_gone"] == 1
    assert running.is_in_flight


def test_a_client_that_left_the_line_has_its_turn_back_if_it_soon_tries_again() -> None:
    scene = Scene(window=1.0, ttl_s=1800.0)
    running, held = scene.arrive("a", one_shot=True), scene.arrive("b")
    scene.gate.finish(held, Answered(client_gone=True), now=0.0)
    scene.pass_time(59.0)
    later, again = scene.arrive("c"), scene.arrive("b")
    scene.pass_time(60.0)
    assert scene.finish(running) == [again]
    assert later.is_held


def test_a_turn_is_kept_through_another_refusal_and_not_beyond_the_end_of_the_session() -> None:
    scene = Scene(window=1.0, ttl_s=1800.0, max_waiting=1)
    running, held = scene.arrive("a", one_shot=True), scene.arrive("b")
    scene.finish(held, gone=True)
    later = scene.arrive("c")
    assert scene.arrive("b").outcome is Outcome.QUEUE_FULL
    scene.finish(later, gone=True)
    again = scene.arrive("b")
    assert again.session.seniority == held.session.seniority
    assert scene.finish(running) == [again]
    scene.finish(again)
    scene.gate.end("b", now=0.0)
    assert scene.arrive("b").session.seniority > later.session.seniority


def test_clients_that_leave_together_are_forgotten_though_each_is_admitted_for_a_moment() -> None:
    scene = Scene(window=1.0, ttl_s=1800.0)
    tickets = [scene.arrive(key) for key in "abc"]
    for ticket in tickets:
        assert ticket.is_in_flight
        scene.gate.finish(ticket, Answered(client_gone=True), now=0.0)
    assert len(scene.gate.sessions) == 0


@pytest.mark.parametrize("was_admitted", [True, False])
def test_a_session_that_was_served_or_was_told_to_come_back_is_remembered_for_longer(*, was_admitted: bool) -> None:
    scene = Scene(window=1.0, ttl_s=1800.0)
    if was_admitted:
        scene.gate.finish(scene.arrive("b"), Answered(client_gone=True, first_token_s=0.1), now=0.0)
        scene.arrive("a")
    else:
        scene.arrive("a")
        scene.arrive("b", hold_s=0.0)
        scene.pass_time(0.0)
    scene.pass_time(1000.0)
    assert scene.gate.sessions.get("b") is not None


@pytest.mark.parametrize("hold_s", [0.0, 2.0])
def test_a_hold_ends_at_its_deadline_and_the_next_in_line_is_not_disturbed(hold_s: float) -> None:
    scene = Scene(window=1.0)
    running = scene.arrive("a", one_shot=True)
    impatient, patient = scene.arrive("b", hold_s=hold_s), scene.arrive("c")
    assert scene.gate.next_deadline() == hold_s
    assert scene.pass_time(hold_s) == [impatient]
    assert (impatient.outcome, impatient.held_s) == (Outcome.HOLD_TIMEOUT, hold_s)
    assert scene.finish(running) == [patient]


def test_no_deadline_is_left_of_a_request_that_no_longer_waits() -> None:
    scene = Scene(window=1.0, ttl_s=1e6)
    running, held = scene.arrive("a", one_shot=True), scene.arrive("b", hold_s=2.0)
    scene.finish(running)
    assert held.is_in_flight
    assert scene.gate.next_deadline() is None


def test_a_session_of_one_request_waits_for_an_equal_one_after_its_hold() -> None:
    scene = Scene(window=1.0, ttl_s=100.0)
    scene.arrive("a")
    arrival = Arrival(hold_s=2.0, fingerprint=b"body")
    scene.gate.arrive(Whereabouts(session="b", is_one_shot=True), arrival, now=scene.now)
    scene.pass_time(2.0)
    refused = scene.gate.sessions.get("b")
    assert refused is not None
    scene.pass_time(50.0)
    back, _ = scene.gate.arrive(Whereabouts(session="b", is_one_shot=True), arrival, now=scene.now)
    assert back.session is refused
    scene.pass_time(2.0)
    scene.pass_time(100.0)
    assert scene.gate.sessions.get("b") is None, "nobody came back"


def test_a_session_of_one_request_ends_with_its_hold() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a")
    scene.arrive("b", hold_s=2.0, one_shot=True)
    scene.pass_time(2.0)
    assert scene.gate.sessions.get("b") is None
    assert scene.gate.counters["end", "hold_timeout"] == 1
