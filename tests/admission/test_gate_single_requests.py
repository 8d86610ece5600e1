"""Nobody waits for a window in tokens where hardly any session comes back. As soon as sessions do, others wait."""

import math

import pytest

from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from tests.admission.gates import Scene


def _scene(*, tokens: float = 1_000) -> Scene:
    scene = Scene(window=1.0, work_conserving=False, lease=LearnedLease())
    scene.gate.resize(math.inf, now=0.0, budget=Budget(tokens=tokens, reserve_turns=1.0))
    return scene


def _single_requests(scene: Scene, count: int, *, tokens: float = 300, after: int = 0) -> list[Ticket]:
    return [scene.arrive(f"single-{after + number}", tokens=tokens, one_shot=True) for number in range(count)]


def test_requests_that_cannot_come_back_are_never_held() -> None:
    scene = _scene()
    assert all(ticket.is_in_flight for ticket in _single_requests(scene, 100))
    assert scene.gate.counters["admit", "no_returns"] == 99  # before the first one, nothing is known


def test_a_window_in_sessions_holds_them() -> None:
    scene = Scene(window=3.0, work_conserving=False)
    assert sum(ticket.is_held for ticket in _single_requests(scene, 100)) == 97


def test_the_first_wave_of_a_fleet_waits_although_nobody_has_come_back_yet() -> None:
    scene = _scene(tokens=6_000)
    tickets = [scene.arrive(f"agent-{number}", tokens=300) for number in range(100)]
    assert sum(ticket.is_in_flight for ticket in tickets) == 10


def test_single_requests_before_it_do_not_open_the_gate_for_the_first_wave() -> None:
    scene = _scene(tokens=6_000)
    for ticket in _single_requests(scene, 100):
        scene.finish(ticket, prompt=300, completion=10)
    tickets = [scene.arrive(f"agent-{number}", tokens=300) for number in range(100)]
    assert sum(ticket.is_in_flight for ticket in tickets) <= 14


def test_single_requests_wait_while_sessions_come_back() -> None:
    scene = _scene(tokens=3_000)
    for _ in range(3):
        for name in ("a", "b"):
            scene.finish(scene.arrive(name, tokens=1_000), prompt=1_000, completion=10)
            scene.pass_time(0.1)
    assert sum(ticket.is_held for ticket in _single_requests(scene, 10)) >= 5


def test_a_session_that_comes_back_is_protected_again_at_once() -> None:
    scene = _scene()
    for ticket in _single_requests(scene, 300):
        scene.finish(ticket, prompt=300, completion=10)
    scene.finish(scene.arrive("a", tokens=600), prompt=600, completion=10)
    assert all(ticket.is_in_flight for ticket in _single_requests(scene, 20, after=1_000))
    for _ in range(12):
        scene.finish(scene.arrive("a", tokens=600), prompt=600, completion=10)
    assert any(ticket.is_held for ticket in _single_requests(scene, 20, after=2_000))


@pytest.mark.parametrize("silence_s", [10.0, 300.0])
def test_a_new_session_id_for_each_request_makes_nobody_wait_once_their_silence_is_known(silence_s: float) -> None:
    scene = _scene()
    first = [scene.arrive(f"first-{number}", tokens=50) for number in range(60)]
    for ticket in first:
        while ticket.is_held:
            for running in [one for one in first if one.is_in_flight]:
                scene.finish(running, prompt=50, completion=5)
            scene.pass_time(1.0)
    scene.pass_time(silence_s)
    assert all(scene.arrive(f"next-{number}", tokens=300).is_in_flight for number in range(100))
