"""Sessions that an operator pauses, resumes and prioritises."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.session import SessionState
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene
from tests.properties.ledger import recount


def test_a_session_that_is_stopped_ends_its_answer_and_then_gets_no_place_until_it_is_let_go_on() -> None:
    scene = Scene(window=4)
    answering = scene.arrive("a")
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    assert answering.is_in_flight
    second = scene.arrive("a")
    assert second.is_held, "not even while the first is in flight"
    scene.finish(answering)
    assert scene.session("a").state is SessionState.PAUSED
    scene.resize(100)
    assert second.is_held
    assert scene.gate.waiting == 0
    recount(scene.gate)
    assert scene.gate.steer(scene.session("a"), Steering.RESUME, now=scene.now) == [second]
    recount(scene.gate)


def test_an_idle_session_that_is_stopped_hands_its_place_on_at_once() -> None:
    scene = Scene(window=1)
    scene.idle("a")
    waiting = scene.arrive("b")
    assert scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now) == [waiting]
    assert scene.gate.counters["pause", "by_hand"] == 1


def test_a_session_that_is_let_go_on_before_its_answer_ended_keeps_its_place() -> None:
    scene = Scene(window=1)
    answering = scene.arrive("a")
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    held = scene.arrive("a")
    assert scene.gate.steer(scene.session("a"), Steering.RESUME, now=scene.now) == [held]
    scene.finish(answering)
    scene.finish(held)
    assert scene.session("a").state is SessionState.ACTIVE
    recount(scene.gate)


def test_a_stopped_sessions_hold_ends_at_its_deadline() -> None:
    scene = Scene(window=1)
    scene.idle("a")
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    held = scene.arrive("a", hold_s=3)
    assert scene.pass_time(3) == [held]
    recount(scene.gate)


def test_nobody_is_reprieved_who_was_stopped() -> None:
    scene = Scene(window=1)
    answering = scene.arrive("a")
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    scene.resize(50)
    scene.finish(answering)
    assert scene.session("a").state is SessionState.PAUSED


def test_who_is_preferred_is_next_even_before_those_that_resume() -> None:
    scene = Scene(window=1)
    scene.idle(
        "a",
    )
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    running = scene.arrive("b")
    resuming = scene.arrive("a")
    scene.gate.steer(scene.session("a"), Steering.RESUME, now=scene.now)
    new = [scene.arrive(key) for key in "cd"]
    scene.gate.steer(scene.session("d"), Steering.PRIORITISE, now=scene.now)
    assert [scene.gate.queue.position(ticket.session) for ticket in (new[1], resuming, new[0])] == [1, 2, 3]
    assert [session.key for session in scene.gate.queue] == ["d", "a", "c"]
    assert scene.gate.queue.first_new() is scene.session("d")
    assert scene.finish(running, gone=True) == [new[1]]
    recount(scene.gate)


def test_who_is_preferred_is_the_last_to_pause() -> None:
    scene = Scene(window=3)
    scene.idle("a", "b", "c")
    scene.gate.steer(scene.session("c"), Steering.PRIORITISE, now=scene.now)
    scene.resize(1)
    assert scene.session("c").state is SessionState.ACTIVE
    recount(scene.gate)


def test_a_gate_that_ceases_to_enforce_lets_all_pass_but_those_that_were_stopped() -> None:
    scene = Scene(window=1)
    scene.idle("a")
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    stopped, running, waiting = scene.arrive("a"), scene.arrive("b"), scene.arrive("c")
    assert running.is_in_flight
    assert scene.gate.enforce(enforcing=False, now=scene.now) == [waiting]
    assert stopped.is_held
    scene.gate.enforce(enforcing=True, now=scene.now)
    assert scene.gate.snapshot().active == 2, "in the middle of their answers nobody pauses"
    scene.finish(waiting)
    assert scene.gate.snapshot().active == 1


def test_another_process_knows_of_a_stop_and_a_preference() -> None:
    scene = Scene(window=2)
    scene.arrive("a")
    scene.gate.steer(scene.session("a"), Steering.PAUSE, now=scene.now)
    scene.gate.steer(scene.session("a"), Steering.PRIORITISE, now=scene.now)
    record = SessionRecord.of(scene.session("a"), "e", ConversationTree(), now=scene.now)
    other = Scene(window=2)
    session = record.session(seniority=Numbers().take(record.seniority), now=0.0)
    other.gate.handover.restore(session)
    assert session.stopped
    assert session.is_preferred
    assert session.state is SessionState.PAUSED
    assert other.arrive("a").is_held
    claimed, released = other.gate.handover.claim(Whereabouts(session="a"), Arrival(key="a"), None, 0.0)
    assert claimed.is_in_flight
    assert released == [], "what is held of it waits on"
    other.finish(claimed)
    assert session.state is SessionState.PAUSED


def test_pausing_and_resuming_twice_is_the_same_as_once() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    session = scene.session("a")
    for _ in range(2):
        scene.gate.steer(session, Steering.PAUSE, now=0.0)
    assert scene.gate.counters["pause", "by_hand"] == 1
    waiting = scene.arrive("a")
    assert scene.gate.steer(session, Steering.RESUME, now=0.0) == [waiting]
    assert scene.gate.steer(session, Steering.RESUME, now=0.0) == []


def test_a_session_is_resumed_while_the_window_is_not_enforced() -> None:
    scene = Scene(window=1.0, enforcing=False)
    scene.idle("a", "b")
    scene.gate.steer(scene.session("b"), Steering.PAUSE, now=0.0)
    waiting = scene.arrive("b")
    assert scene.gate.steer(scene.session("b"), Steering.RESUME, now=0.0) == [waiting]
    assert scene.gate.active == 2
    assert scene.gate.has_room_for(1e9)


def test_a_session_that_is_about_to_pause_is_paused_by_an_operator_too() -> None:
    scene = Scene(window=2.0)
    scene.idle("a")
    answering = scene.arrive("b")
    scene.resize(1.0)
    session = scene.session("b")
    assert session.pausing
    scene.gate.steer(session, Steering.PAUSE, now=0.0)
    scene.resize(2.0)
    assert session.pausing, "there is room, but an operator paused it"
    scene.finish(answering)
    assert scene.gate.counters["pause", "by_hand"] == 1


def test_sessions_are_listed_with_places_first_then_those_that_wait() -> None:
    scene = Scene(window=2.0)
    scene.idle("a")
    scene.arrive("b")
    scene.arrive("c")
    scene.gate.steer(scene.session("b"), Steering.PAUSE, now=0.0)
    assert [session.key for session in scene.gate.first_sessions(10)] == ["a", "b", "c"]
    assert [session.key for session in scene.gate.first_sessions(1)] == ["a"]
