"""Engines that come and go."""

import pytest

from concur_proxy.admission.outcome import Outcome
from tests.admission.fleets import FleetScene


def test_an_engine_that_is_added_serves_who_waits_and_who_comes() -> None:
    scene = FleetScene("a")
    scene.arrive("x")
    held = [scene.arrive(key) for key in "yz"]
    scene.fleet.add_engine("b")
    assert scene.pass_time(0.0) == held[:1]
    assert (held[0].engine, held[1].is_held) == ("b", True)
    scene.fleet.add_engine("c")
    assert scene.pass_time(0.0) == held[1:]
    assert list(scene.fleet.gates) == ["a", "b", "c"]


def test_an_engine_that_retires_is_forgotten_when_nothing_is_in_flight_and_its_sessions_have_moved() -> None:
    scene = FleetScene("a", "b", windows={"a": 3.0, "b": 9.0})
    running = scene.arrive("x")
    scene.finish(scene.arrive("other"))
    scene.finish(scene.arrive("idle"))
    assert [scene.home(key) for key in ("x", "other", "idle")] == ["a", "b", "a"]
    assert scene.fleet.retire_engine("a", now=0.0) == []
    assert (scene.home("idle"), scene.home("x")) == ("b", "a")
    assert [scene.arrive(key).engine for key in "uvw"] == ["b"] * 3
    parallel = scene.arrive("x")
    assert parallel.engine == "a", "its cache is there for as long as its answer takes"
    for ticket in (running, parallel):
        assert "a" in scene.fleet.gates
        scene.finish(ticket)
    assert (list(scene.fleet.gates), scene.home("x")) == (["b"], "b")
    assert scene.arrive("x").engine == "b"


def test_who_waits_for_an_engine_that_retires_waits_for_another_at_once() -> None:
    scene = FleetScene("a", "b")
    running = [scene.arrive(key) for key in "xy"]
    held = [scene.arrive(key) for key in "zw"]
    assert [scene.home(key) for key in "zw"] == ["a", "b"]
    scene.fleet.retire_engine("a", now=0.0)
    assert {scene.home(key) for key in "zw"} == {"b"}
    scene.fleet.end("y", now=0.0)
    assert scene.finish(running[1]) == [held[0]]


def test_an_engine_that_is_added_while_it_retires_stays() -> None:
    scene = FleetScene("a", "b")
    running = scene.arrive("x")
    scene.fleet.retire_engine("a", now=0.0)
    scene.fleet.add_engine("a")
    scene.finish(running)
    assert (list(scene.fleet.gates), scene.home("x"), scene.arrive("x").engine) == (["a", "b"], "a", "a")


def test_the_last_engine_and_an_unknown_one_cannot_retire() -> None:
    scene = FleetScene("a", "b")
    running = scene.arrive("x")
    scene.fleet.retire_engine("a", now=0.0)
    for engine, reason in (("b", "last engine"), ("c", "no engine c")):
        with pytest.raises(ValueError, match=reason):
            scene.fleet.retire_engine(engine, now=0.0)
    scene.finish(running)
    assert list(scene.fleet.gates) == ["b"]


def test_what_comes_late_for_an_engine_that_is_gone_does_nothing() -> None:
    scene = FleetScene("a", "b")
    ticket = scene.arrive(None)
    scene.finish(ticket)
    scene.fleet.retire_engine("a", now=0.0)
    assert list(scene.fleet.gates) == ["b"]
    assert scene.fleet.resize("a", 2.0, now=0.0) == scene.fleet.observe("a", None, now=0.0) == []
    assert scene.fleet.abandon(ticket, now=0.0) == []
    assert scene.fleet.expected_wait(ticket, now=0.0) == (1, 0.0)
    scene.fleet.lose_cache("a")
    scene.fleet.serve("a", ["m"])
    scene.fleet.mark_down("a")
    scene.fleet.mark_up("a")
    assert scene.fleet.down == frozenset()


def test_a_gate_that_is_added_while_the_fleet_drains_refuses_too() -> None:
    scene = FleetScene("a")
    scene.fleet.drain(now=0.0)
    scene.fleet.add_engine("b")
    assert [scene.arrive(key).outcome for key in "xyz"] == [Outcome.DRAINING] * 3


def test_a_model_that_only_the_retiring_engine_served_goes_to_the_others_which_say_so() -> None:
    scene = FleetScene("a", "b")
    scene.fleet.serve("a", ["one"])
    scene.fleet.serve("b", ["two"])
    scene.finish(scene.arrive("x", model="one"))
    scene.fleet.retire_engine("a", now=0.0)
    assert list(scene.fleet.gates) == ["b"]
    assert scene.arrive("x", model="one").engine == "b"
