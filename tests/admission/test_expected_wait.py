"""The expected wait that a whole gate reports for a session."""

from concur_proxy.admission.admission_rate import AdmissionRate
from concur_proxy.admission.outcome import Outcome
from tests.admission.gates import Scene

GUESS_S = AdmissionRate.UNKNOWN_WAIT_S


def waits(scene: Scene) -> list[float]:
    """The waits of the requests that the last event refused."""
    refused = [ticket for ticket in scene.decided if ticket.outcome is Outcome.HOLD_TIMEOUT]
    return [scene.gate.expected_wait(ticket, now=scene.now)[1] for ticket in refused]


def test_sessions_that_are_refused_together_are_asked_back_one_after_the_other() -> None:
    scene = Scene()
    scene.arrive("busy")
    for number in range(4):
        scene.arrive(f"s{number}", hold_s=2.0)
    scene.pass_time(2.0)
    assert waits(scene) == [GUESS_S * place for place in (1, 2, 3, 4)]


def test_so_are_requests_that_name_no_session() -> None:
    scene = Scene()
    scene.arrive("busy")
    for number in range(3):
        scene.arrive(f"s{number}", hold_s=2.0, one_shot=True)
    scene.pass_time(2.0)
    assert waits(scene) == [GUESS_S * place for place in (1, 2, 3)]


def test_a_queue_that_nobody_has_left_is_as_slow_as_it_is_old() -> None:
    scene = Scene()
    scene.arrive("busy")
    scene.arrive("a", hold_s=40.0)
    scene.pass_time(40.0)
    assert waits(scene) == [40.0]
    scene.now = 80.0
    scene.arrive("a", hold_s=10.0)
    scene.pass_time(10.0)
    assert waits(scene) == [90.0], "the queue has stood still while its only session was away"


def test_a_quick_queue_of_earlier_does_not_make_a_queue_that_stands_look_quick() -> None:
    scene = Scene()
    for number in range(10):
        busy = scene.arrive(f"busy{number}", one_shot=True)
        scene.arrive(f"next{number}", one_shot=True)
        scene.now += 0.1
        (ticket,) = scene.finish(busy) or scene.decided
        scene.finish(ticket)
    scene.arrive("busy")
    scene.arrive("a", hold_s=30.0)
    scene.pass_time(30.0)
    assert waits(scene) == [30.0]
