"""Changes of sessions and engines, as operators, monitors and other gateways send them to a fleet."""

import pytest

from concur_proxy.admission.changes import (
    AddEngine,
    Drain,
    EndSession,
    Enforce,
    EngineChange,
    LoseCache,
    Observe,
    RetireEngine,
    Serve,
    SessionChange,
    Steer,
)
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.session import SessionState
from tests.admission.fleets import FleetScene


def test_a_fleet_knows_its_sessions_and_engines() -> None:
    scene = FleetScene("a", "b")
    scene.arrive("s")
    assert scene.fleet.knows(EndSession(key="s"))
    assert not scene.fleet.knows(EndSession(key="t"))
    assert scene.fleet.knows(LoseCache(engine="a"))
    assert not scene.fleet.knows(LoseCache(engine="c"))
    assert scene.fleet.knows(Drain())


@pytest.mark.parametrize(
    "change",
    [
        EndSession(key="unknown"),
        *(Steer(key="unknown", steering=steering) for steering in Steering),
        Enforce(engine="unknown", enforcing=False),
        LoseCache(engine="unknown"),
        Observe(engine="unknown", load=None),
        Serve(engine="unknown", models=["m"]),
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_change_of_something_unknown_does_nothing(change: SessionChange | EngineChange) -> None:
    scene = FleetScene("a", "b")
    running, waiting = scene.arrive("s"), [scene.arrive(key) for key in "tu"][1]
    assert scene.fleet.apply(change, now=scene.now) == []
    assert running.is_in_flight
    assert waiting.is_held
    assert set(scene.fleet.gates) == {"a", "b"}


def test_an_unknown_engine_cannot_be_removed() -> None:
    with pytest.raises(ValueError, match="no engine c"):
        FleetScene("a", "b").fleet.apply(RetireEngine(engine="c"), now=0.0)


def test_an_operator_pauses_resumes_prefers_and_ends_a_session() -> None:
    scene = FleetScene("a", "b")
    scene.finish(scene.arrive("s"))
    engine = scene.home("s")
    scene.finish(scene.arrive("t"))
    waiting = scene.arrive("u")
    assert waiting.is_held
    admitted = scene.fleet.apply(Steer(key="s", steering=Steering.PAUSE), now=scene.now)
    assert admitted == [waiting]
    assert waiting.engine == engine
    held = scene.arrive("s")
    assert held.is_held
    assert scene.fleet.apply(Steer(key="s", steering=Steering.RESUME), now=scene.now) == []
    later = scene.arrive("v")
    scene.fleet.apply(Steer(key="v", steering=Steering.PRIORITISE), now=scene.now)
    assert scene.fleet.apply(Steer(key="t", steering=Steering.END), now=scene.now) == [later]
    assert held.is_held


def test_a_session_is_paused_and_resumed_once() -> None:
    scene = FleetScene("a", "b")
    scene.finish(scene.arrive("s"))
    for _ in range(2):
        scene.fleet.apply(Steer(key="s", steering=Steering.PAUSE), now=scene.now)
    session = scene.fleet.gates[scene.home("s")].sessions.get("s")
    assert session is not None
    assert session.state is SessionState.PAUSED
    for _ in range(2):
        scene.fleet.apply(Steer(key="s", steering=Steering.RESUME), now=scene.now)
    assert scene.arrive("s").is_in_flight


def test_a_fleet_that_observes_lets_those_that_wait_pass() -> None:
    scene = FleetScene("a", "b")
    tickets = [scene.arrive(key) for key in "stuv"]
    assert [ticket.is_held for ticket in tickets] == [False, False, True, True]
    decided = [
        ticket
        for engine in scene.fleet.gates
        for ticket in scene.fleet.apply(Enforce(engine=engine, enforcing=False), now=scene.now)
    ]
    assert set(decided) == set(tickets[2:])
    assert scene.arrive("w").is_in_flight
    for engine in scene.fleet.gates:
        scene.fleet.apply(Enforce(engine=engine, enforcing=True), now=scene.now)
    assert scene.arrive("x").is_held


def test_the_same_models_again_change_nothing_and_others_move_those_that_wait() -> None:
    scene = FleetScene("a", "b")
    for engine in ("a", "b"):
        scene.fleet.apply(Serve(engine=engine, models=["m"]), now=scene.now)
    scene.fleet.apply(Serve(engine="a", models=["m"]), now=scene.now)
    first, second = scene.arrive("s", model="m"), scene.arrive("t", model="m")
    assert {first.engine, second.engine} == {"a", "b"}
    waiting = scene.arrive("u", model="m")
    scene.fleet.apply(Serve(engine="a", models=["n"]), now=scene.now)
    scene.fleet.apply(AddEngine(engine="c"), now=scene.now)
    scene.pass_time(0.1)
    assert waiting.engine == "c"


def test_an_end_is_for_all_engines_that_the_sessions_models_have() -> None:
    scene = FleetScene("a", "b")
    for engine, model in (("a", "m"), ("b", "n")):
        scene.fleet.apply(Serve(engine=engine, models=[model]), now=scene.now)
    for model in ("m", "n"):
        scene.finish(scene.arrive("s", model=model))
    waiting = [scene.arrive("t", model=model) for model in ("m", "n")]
    assert all(ticket.is_held for ticket in waiting)
    assert set(scene.fleet.apply(EndSession(key="s"), now=scene.now)) == set(waiting)
