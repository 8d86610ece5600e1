"""Sessions that are too large for the queue of their engine, in a fleet."""

import math

from concur_proxy.admission.changes import EndSession, Observe, Reachable, Resize
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from tests.admission.fleets import FleetScene

BUSY = EngineLoad(running=1, waiting=1, kv_usage=0.5, capacity_tokens=1_000)


class Scene(FleetScene):
    first: list[Ticket]
    """The requests of the first sessions, one at each engine."""


def _scene() -> Scene:
    """Two engines, each with a session that fills half of the window."""
    scene = Scene("one", "two")
    for engine in ("one", "two"):
        scene.fleet.apply(Observe(engine=engine, load=BUSY), now=0.0)
        budget = Budget(tokens=900.0, reserve_turns=0.0)
        scene.fleet.apply(Resize(engine=engine, window=math.inf, budget=budget), now=0.0)
    scene.first = [scene.arrive(key, tokens=500) for key in "ab"]
    return scene


def test_an_engine_that_gets_room_takes_a_session_that_waits_apart() -> None:
    scene = _scene()
    big = scene.arrive("big", tokens=600)
    home = scene.home("big")
    assert big.is_held
    (other,) = {"one", "two"} - {home}
    (working,) = scene.fleet.gates[other].sessions
    scene.fleet.apply(EndSession(key=working.key), now=0.0)
    assert big.is_held
    assert scene.finish(next(ticket for ticket in scene.first if ticket.session is working)) == [big]
    assert scene.home("big") == other


def test_prompts_beyond_the_cache_do_not_wander_between_engines() -> None:
    scene = _scene()
    tickets = [scene.arrive(f"big-{number}", tokens=20_000) for number in range(5)]
    assert sum(ticket.is_in_flight for ticket in tickets) == 2, "one at each engine"
    homes = [scene.home(f"big-{number}") for number in range(5)]
    scene.pass_time(1.0)
    assert [scene.home(f"big-{number}") for number in range(5)] == homes
    while waiting := [ticket for ticket in tickets if ticket.is_held]:
        scene.finish(next(ticket for ticket in tickets if ticket.is_in_flight))
        assert sum(ticket.is_held for ticket in tickets) == len(waiting) - 1


def test_a_session_that_waits_apart_leaves_an_engine_that_is_down() -> None:
    scene = _scene()
    big = scene.arrive("big", tokens=600)
    home = scene.home("big")
    scene.fleet.apply(Reachable(engine=home, is_up=False), now=0.0)
    scene.pass_time(1.0)
    assert scene.home("big") != home
    assert big.is_held
