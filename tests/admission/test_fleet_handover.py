"""A fleet that goes on where another process left off."""

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.changes import AddEngine, RetireEngine
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.outcome import Outcome
from tests.admission.fleets import FleetScene


def _record(scene: FleetScene, key: str) -> SessionRecord:
    record = scene.fleet.record(key, now=scene.now)
    assert record is not None
    return record


def test_nothing_is_kept_of_a_session_that_is_over_or_of_one_request() -> None:
    scene = FleetScene("a")
    ticket = scene.arrive(None)
    assert scene.fleet.record("nobody", now=0.0) is None
    assert scene.fleet.record(ticket.session.key, now=0.0) is None


def test_a_session_is_known_again_where_it_was_or_where_there_still_is_an_engine() -> None:
    before, after = FleetScene("a", "b"), FleetScene("b")
    for key in "xy":
        before.finish(before.arrive(key))
    assert [before.home(key) for key in "xy"] == ["a", "b"]
    for key in "xy":
        after.fleet.restore(_record(before, key), now=0.0)
    assert [after.home(key) for key in "xy"] == ["b", "b"]
    assert after.fleet.gates["b"].active == 2


def test_a_session_that_is_known_is_left_as_it_is() -> None:
    before, after = FleetScene("a"), FleetScene("a")
    before.finish(before.arrive("x"))
    running = after.arrive("x")
    after.fleet.restore(_record(before, "x"), now=0.0)
    assert running.session.in_flight == 1
    assert after.fleet.gates["a"].active == 1


def test_changes_are_noted_of_engines_that_come_later_too() -> None:
    scene = FleetScene("a")
    changes: set[str] = set()
    scene.fleet.note_changes(changes)
    scene.arrive("x")
    scene.fleet.apply(AddEngine(engine="b"), now=0.0)
    scene.arrive("y")
    assert (scene.home("y"), changes) == ("b", {"x", "y"})


def test_an_idle_session_comes_along_to_the_engine_where_its_request_is() -> None:
    scene = FleetScene("a", "b")
    scene.finish(scene.arrive("x"))
    ticket, _ = scene.fleet.claim(Arrival(key="x"), engine="b", seniority=None, now=0.0)
    assert (ticket.is_in_flight, ticket.engine, scene.home("x")) == (True, "b", "b")
    assert scene.fleet.gates["a"].active == 0


def test_who_waits_elsewhere_is_told_when_its_session_comes_along_to_a_free_place() -> None:
    scene = FleetScene("a", "b")
    scene.arrive("x")
    scene.finish(scene.arrive("y"))
    held = scene.arrive("z")
    assert (held.is_held, scene.home("z")) == (True, "a")
    _, decided = scene.fleet.claim(Arrival(key="z"), engine="b", seniority=None, now=6.0)
    assert (held.outcome, decided) == (Outcome.ADMITTED, [held])


def test_a_session_with_requests_in_flight_elsewhere_stays_and_has_one_beside_it() -> None:
    scene = FleetScene("a", "b")
    running = scene.arrive("x")
    ticket, _ = scene.fleet.claim(Arrival(key="x"), engine="b", seniority=None, now=0.0)
    assert (running.engine, ticket.engine) == ("a", "b")
    assert ticket.session is not running.session


def test_the_separate_session_comes_along_too_if_it_is_idle_elsewhere() -> None:
    scene = FleetScene("a", "b")
    scene.arrive("x")
    first, _ = scene.fleet.claim(Arrival(key="x"), engine="b", seniority=None, now=0.0)
    scene.fleet.apply(RetireEngine(engine="b"), now=0.0)
    scene.finish(first)
    assert scene.home(first.session.key) == "a"
    scene.fleet.apply(AddEngine(engine="b"), now=0.0)
    second, _ = scene.fleet.claim(Arrival(key="x"), engine="b", seniority=None, now=0.0)
    assert second.session is first.session
    assert scene.home(first.session.key) == "b"


def test_a_request_at_an_engine_that_there_is_not_cannot_be_claimed() -> None:
    with pytest.raises(ValueError, match="no engine c"):
        FleetScene("a").fleet.claim(Arrival(key="x"), engine="c", seniority=None, now=0.0)
