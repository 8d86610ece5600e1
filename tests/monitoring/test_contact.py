import logging
from collections.abc import Callable

import pytest

from concur_proxy.monitoring.circuit import CircuitState
from tests.monitoring.monitors import REFUSED, Scene


def test_down_and_up_are_marked_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Scene(engines=("a", "b"))
    assert scene.monitor.is_up
    assert not scene.monitor.has_answered
    for _ in range(3):
        scene.monitor.on_unreachable("connection refused")
    assert not scene.monitor.is_up
    assert scene.coordinator.fleet.down == {"a"}
    for _ in range(3):
        scene.monitor.on_answer(200)
    assert scene.monitor.is_up
    assert scene.monitor.has_answered
    assert [record.getMessage() for record in caplog.records] == [
        "engine a: circuit open, requests go to other engines: unreachable: connection refused",
        "engine a: circuit half open, requests go there again: it answers requests",
        "engine a: circuit closed: it answers requests",
    ]


def test_a_scrape_that_is_refused_marks_the_engine_down_and_any_answer_marks_it_up() -> None:
    scene = Scene()
    scene.fail(reachable=None)
    assert scene.monitor.is_up, "one that is late may only be busy"
    scene.fail(reachable=False)
    assert not scene.monitor.is_up
    scene.fail(reachable=None)
    assert not scene.monitor.is_up
    scene.fail(reachable=True, reason="answers 404")
    assert scene.monitor.is_up
    scene.fail(reachable=False)
    scene.sample()
    assert not scene.monitor.is_up, "it comes and goes"
    scene.sample()
    assert scene.monitor.is_up


def test_failures_of_any_kind_open_the_circuit_and_what_works_closes_it() -> None:
    scene = Scene(engines=("a", "b"))
    ways: list[Callable[[], None]] = [
        lambda: scene.monitor.on_answer(500),
        lambda: scene.monitor.on_broken("reset"),
        lambda: scene.monitor.on_health_silence("no answer"),
        lambda: scene.monitor.on_health(503, b""),
        scene.fail,
    ]
    states: list[CircuitState] = []
    for break_it in ways:
        for _ in range(5):
            break_it()
        states.append(scene.monitor.circuit.state)
        assert scene.coordinator.fleet.down == {"a"}
        scene.now += 60.0
        scene.monitor.on_health(200, b"")
        states.append(scene.monitor.circuit.state)
        scene.monitor.on_answer(429)
        states.append(scene.monitor.circuit.state)
        assert scene.coordinator.fleet.down == frozenset()
    assert states == [CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED] * len(ways)
    for _ in range(20):
        scene.monitor.on_answer(503)
        scene.monitor.on_health(404, b"")
    assert scene.monitor.is_up, "neither a busy engine nor one without a health check is broken"


async def test_new_sessions_avoid_an_engine_whose_scrape_was_refused() -> None:
    scene = Scene(engines=("a", "b"))
    scene.fail(reachable=False)
    assert {scene.arrive(key).engine for key in "stuv"} == {"b"}


def test_coming_up_is_reported_each_time() -> None:
    scene = Scene(engines=("a", "b"))
    told: list[str] = []
    scene.monitor.on_up = lambda: told.append("up")
    for _ in range(2):
        scene.monitor.on_answer(200)
    scene.monitor.on_unreachable(REFUSED)
    scene.monitor.on_answer(404)
    assert told == ["up", "up"]
