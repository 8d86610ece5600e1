"""A request that continues a response goes to the engine that keeps it."""

import pytest

from concur_proxy.admission.changes import Reachable, Serve
from tests.admission.fleets import LEASE_S, FleetScene


def engine_of(scene: FleetScene, key: str, **more: object) -> str:
    ticket = scene.arrive(key, **more)  # type: ignore[arg-type]
    assert ticket.is_in_flight
    return ticket.engine


@pytest.mark.parametrize("home", ["a", "b", "c"])
def test_a_session_that_is_not_known_begins_at_its_response(home: str) -> None:
    assert engine_of(FleetScene("a", "b", "c"), "s", home=home) == home


def test_it_waits_there_although_another_engine_has_room() -> None:
    scene = FleetScene("a", "b", windows={"b": 2.0})
    running = scene.arrive("busy", home="a")
    waiting = scene.arrive("s", home="a")
    assert (running.is_in_flight, waiting.is_held, scene.home("s")) == (True, True, "a")
    scene.finish(running)
    scene.pass_time(LEASE_S)
    assert (waiting.is_in_flight, waiting.engine) == (True, "a")


def test_it_hides_no_session_behind_it_that_another_engine_can_serve() -> None:
    scene = FleetScene("a", "b")
    scene.fleet.apply(Reachable(engine="b", is_up=False), now=0.0)
    scene.arrive("busy")
    bound, free = scene.arrive("bound", home="a"), scene.arrive("free")
    assert (scene.home("bound"), scene.home("free")) == ("a", "a")
    scene.fleet.apply(Reachable(engine="b", is_up=True), now=0.0)
    scene.pass_time(0.0)
    assert (free.is_in_flight, free.engine, bound.is_held) == (True, "b", True)


def test_a_session_that_resumes_stays_at_its_response() -> None:
    scene = FleetScene("a", "b", move_after_s=1.0)
    scene.finish(scene.arrive("s", home="a"))
    scene.pass_time(LEASE_S)
    scene.arrive("busy", home="a")
    again = scene.arrive("s", home="a")
    assert again.is_held
    scene.pass_time(2.0)
    assert again.is_held, "engine b does not have the response"


def test_a_known_session_follows_its_response() -> None:
    scene = FleetScene("a", "b")
    scene.finish(scene.arrive("s", home="a"))
    assert engine_of(scene, "s", home="b") == "b"
    assert scene.home("s") == "b"
    assert scene.fleet.gates["a"].counters["move", "home"] == 1


def test_a_response_elsewhere_gets_a_session_of_its_own_while_a_request_is_in_flight() -> None:
    scene = FleetScene("a", "b")
    assert engine_of(scene, "s", home="a") == "a"
    assert engine_of(scene, "s", home="b") == "b"


def test_an_engine_that_cannot_answer_is_no_home() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0, "b": 2.0})
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    assert engine_of(scene, "s", home="a") == "b"
    scene.fleet.apply(Reachable(engine="a", is_up=True), now=0.0)
    scene.fleet.apply(Serve(engine="a", models=("other",)), now=0.0)
    scene.fleet.apply(Serve(engine="b", models=("m",)), now=0.0)
    assert engine_of(scene, "t", home="a", model="m") == "b"
    assert engine_of(scene, "u", home="an engine that was removed", model="other") == "a"
