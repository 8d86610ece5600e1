"""Engines that come and go, and are down and up again."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import (
    AddEngine,
    Drain,
    EndSession,
    LoseCache,
    Observe,
    Reachable,
    Resize,
    RetireEngine,
    Serve,
)
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.gates import Gates
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.fleets import FleetScene


def test_an_engine_that_is_added_serves_who_waits_and_who_comes() -> None:
    scene = FleetScene("a")
    scene.arrive("x")
    held = [scene.arrive(key) for key in "yz"]
    scene.fleet.apply(AddEngine(engine="b"), now=0.0)
    assert scene.pass_time(0.0) == held[:1]
    assert (held[0].engine, held[1].is_held) == ("b", True)
    scene.fleet.apply(AddEngine(engine="c"), now=0.0)
    assert scene.pass_time(0.0) == held[1:]
    assert list(scene.fleet.gates) == ["a", "b", "c"]


def test_an_engine_that_retires_is_forgotten_when_nothing_is_in_flight_and_its_sessions_have_moved() -> None:
    scene = FleetScene("a", "b", windows={"a": 3.0, "b": 9.0})
    running = scene.arrive("x")
    scene.finish(scene.arrive("other"))
    scene.finish(scene.arrive("idle"))
    assert [scene.home(key) for key in ("x", "other", "idle")] == ["a", "b", "a"]
    assert scene.fleet.apply(RetireEngine(engine="a"), now=0.0) == []
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
    scene.fleet.apply(RetireEngine(engine="a"), now=0.0)
    assert {scene.home(key) for key in "zw"} == {"b"}
    scene.fleet.apply(EndSession(key="y"), now=0.0)
    assert scene.finish(running[1]) == [held[0]]


def test_an_engine_that_is_added_while_it_retires_stays() -> None:
    scene = FleetScene("a", "b")
    running = scene.arrive("x")
    scene.fleet.apply(RetireEngine(engine="a"), now=0.0)
    scene.fleet.apply(AddEngine(engine="a"), now=0.0)
    scene.finish(running)
    assert (list(scene.fleet.gates), scene.home("x"), scene.arrive("x").engine) == (["a", "b"], "a", "a")


def test_the_last_engine_and_an_unknown_one_cannot_retire() -> None:
    scene = FleetScene("a", "b")
    running = scene.arrive("x")
    scene.fleet.apply(RetireEngine(engine="a"), now=0.0)
    for engine, reason in (("b", "last engine"), ("c", "no engine c")):
        with pytest.raises(ValueError, match=reason):
            scene.fleet.apply(RetireEngine(engine=engine), now=0.0)
    scene.finish(running)
    assert list(scene.fleet.gates) == ["b"]


def test_what_comes_late_for_an_engine_that_is_gone_does_nothing() -> None:
    scene = FleetScene("a", "b")
    ticket = scene.arrive(None)
    scene.finish(ticket)
    scene.fleet.apply(RetireEngine(engine="a"), now=0.0)
    assert list(scene.fleet.gates) == ["b"]
    for change in (
        Resize(engine="a", window=2.0),
        Observe(engine="a", load=None),
        LoseCache(engine="a"),
        Serve(engine="a", models=["m"]),
        Reachable(engine="a", is_up=False),
        Reachable(engine="a", is_up=True),
    ):
        assert scene.fleet.apply(change, now=0.0) == []
    assert scene.fleet.finish(ticket, Answered(client_gone=True), now=0.0) == []
    assert scene.fleet.expected_wait(ticket, now=0.0) == (1, 0.0)
    assert scene.fleet.down == frozenset()


def test_a_gate_that_is_added_while_the_fleet_drains_refuses_too() -> None:
    scene = FleetScene("a")
    scene.fleet.apply(Drain(), now=0.0)
    scene.fleet.apply(AddEngine(engine="b"), now=0.0)
    assert [scene.arrive(key).outcome for key in "xyz"] == [Outcome.DRAINING] * 3


def test_a_model_that_only_the_retiring_engine_served_goes_to_the_others_which_say_so() -> None:
    scene = FleetScene("a", "b")
    scene.fleet.apply(Serve(engine="a", models=["one"]), now=0.0)
    scene.fleet.apply(Serve(engine="b", models=["two"]), now=0.0)
    scene.finish(scene.arrive("x", model="one"))
    scene.fleet.apply(RetireEngine(engine="a"), now=0.0)
    assert list(scene.fleet.gates) == ["b"]
    assert scene.arrive("x", model="one").engine == "b"


def test_new_sessions_avoid_an_engine_that_is_down() -> None:
    scene = FleetScene("a", "b", windows={"b": 5.0})
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    assert scene.fleet.down == {"a"}
    assert [scene.arrive(key).engine for key in "xyz"] == ["b"] * 3
    scene.fleet.apply(Reachable(engine="a", is_up=True), now=0.0)
    assert scene.arrive("w").engine == "a"


def test_an_idle_session_of_a_dead_engine_resumes_on_a_live_one_before_new_ones() -> None:
    scene = FleetScene("a", "b")
    scene.finish(scene.arrive("x"))
    running = scene.arrive("y")
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    new = scene.arrive("z")
    back = scene.arrive("x")
    assert (scene.home("x"), back.session.state) == ("b", SessionState.PAUSED)
    scene.fleet.apply(EndSession(key="y"), now=0.0)
    assert scene.finish(running) == [back]
    assert (back.engine, new.is_held) == ("b", True)


def test_sessions_that_wait_for_a_dead_engine_move_to_a_live_one_with_the_next_event() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0})
    dying = scene.arrive("x")
    running = scene.arrive("y")
    scene.finish(scene.arrive("w"))
    scene.fleet.apply(Resize(engine="a", window=1.0), now=0.0)
    new, resuming = scene.arrive("z"), scene.arrive("w")
    assert [scene.home(key) for key in "xywz"] == ["a", "b", "a", "a"]
    extra = scene.arrive("v")
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    # The request that found the engine dead ends: nobody who waits is sent after it.
    assert scene.finish(dying) == []
    assert {scene.home(key) for key in "wzv"} == {"b"}
    assert [scene.fleet.expected_wait(ticket, now=0.0)[0] for ticket in (resuming, new, extra)] == [1, 2, 3]
    scene.fleet.apply(EndSession(key="y"), now=0.0)
    assert scene.finish(running) == [resuming]


def test_while_every_engine_is_down_sessions_wait_and_pass_as_ever() -> None:
    scene = FleetScene("a", "b")
    for engine in "ab":
        scene.fleet.apply(Reachable(engine=engine, is_up=False), now=0.0)
    tickets = [scene.arrive(None) for _ in range(3)]
    assert [ticket.outcome for ticket in tickets] == [Outcome.ADMITTED, Outcome.ADMITTED, None]
    assert scene.finish(tickets[0]) == [tickets[2]]


def test_sessions_that_waited_while_every_engine_was_down_follow_the_first_that_is_back() -> None:
    scene = FleetScene("a", "b", windows={"b": 9.0})
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    for number in range(9):
        scene.arrive(f"s{number}")
    scene.fleet.apply(Reachable(engine="b", is_up=False), now=0.0)
    scene.arrive("x")
    held = [scene.arrive("y"), scene.arrive("z")]
    assert {ticket.outcome for ticket in held} == {None}
    scene.fleet.apply(Reachable(engine="b", is_up=True), now=0.0)
    assert sorted(scene.fleet.apply(Resize(engine="b", window=12.0), now=0.0), key=lambda ticket: ticket.number) == held
    assert [ticket.engine for ticket in held] == ["b", "b"]


def test_an_answer_that_is_still_coming_from_a_dead_engine_may_end() -> None:
    scene = FleetScene("a", "b")
    answer = scene.arrive("x")
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    parallel = scene.arrive("x")
    assert parallel.engine == "a"
    scene.finish(parallel)
    scene.finish(answer)
    assert scene.arrive("x").engine == "b"


def _gates(*engines: str) -> Gates:
    def make_gate(engine: str, numbers: Numbers) -> SessionGate:
        return SessionGate(options=GateOptions(), lease=FixedLease(5.0), window=1.0, engine=engine, numbers=numbers)

    return Gates(engines, make_gate, Numbers(), move_after_s=1.0)


def test_the_only_gate_is_known_while_there_is_one() -> None:
    gates = _gates("a")
    assert gates.only is gates.by_engine["a"]
    gates.add("b")
    assert gates.only is None
    gates.roster.retire("b")
    gates.remove_retired()
    assert gates.only is gates.by_engine["a"]


def test_a_fleet_needs_an_engine() -> None:
    with pytest.raises(ValueError, match="at least one engine"):
        _gates()


def test_an_engine_that_is_added_while_the_fleet_drains_takes_nobody() -> None:
    gates = _gates("a")
    gates.drain(0.0)
    gates.add("b")
    ticket, _ = gates.by_engine["b"].arrive(Whereabouts(session="x"), Arrival(key="x", hold_s=1.0), now=0.0)
    assert ticket.outcome is Outcome.DRAINING


def test_nothing_is_due_any_more_for_requests_that_a_drain_has_refused() -> None:
    scene = FleetScene("a", "b")
    held = [scene.arrive(key, hold_s=50.0) for key in "wxyz"][2:]
    assert scene.fleet.next_deadline() == 50.0
    assert scene.fleet.apply(Drain(), now=0.0) == held
    assert scene.fleet.next_deadline() == 100.0  # refused sessions are forgotten


def test_the_others_go_on_when_the_last_answer_of_an_engine_that_retires_has_ended() -> None:
    scene = FleetScene("a", "b", "c", windows={"b": 3.0, "c": 3.0})
    last = scene.arrive("x")
    assert last.engine == "a"
    scene.fleet.apply(RetireEngine(engine="a"), now=0.0)
    assert list(scene.fleet.gates) == ["a", "b", "c"]
    scene.finish(last)
    assert list(scene.fleet.gates) == ["b", "c"]
    assert {scene.arrive(key).engine for key in "xyz"} == {"b", "c"}
    assert scene.pass_time(200.0) == []
