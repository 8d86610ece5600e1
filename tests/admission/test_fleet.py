from collections.abc import Sequence

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import (
    Change,
    Drain,
    EndSession,
    Enforce,
    EngineChange,
    LoseCache,
    Observe,
    Reachable,
    Resize,
    RetireEngine,
    Steer,
)
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from tests.admission.fleets import LEASE_S, FleetScene
from tests.admission.gates import load


def _engines(tickets: Sequence[Ticket]) -> list[str]:
    return [ticket.engine for ticket in tickets]


def test_a_fleet_has_an_engine() -> None:
    with pytest.raises(ValueError, match="at least one engine"):
        FleetScene()


def test_new_sessions_go_where_there_is_room() -> None:
    scene = FleetScene("a", "b")
    assert _engines([scene.arrive("x"), scene.arrive("y")]) == ["a", "b"]


def test_a_session_stays_where_its_cache_lives() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0})
    scene.finish(scene.arrive("x"))
    scene.arrive("other", tokens=500)
    for _ in range(3):
        ticket = scene.arrive("x")
        assert ticket.engine == "a"
        scene.finish(ticket)


def test_requests_without_a_key_are_never_lumped_together() -> None:
    scene = FleetScene("a", "b")
    tickets = [scene.arrive(None) for _ in range(3)]
    assert len({ticket.session for ticket in tickets}) == 3
    assert [ticket.outcome for ticket in tickets] == [Outcome.ADMITTED, Outcome.ADMITTED, None]
    assert scene.finish(tickets[1]) == [tickets[2]]
    assert tickets[2].engine == "b"


def test_a_new_session_that_waits_is_served_by_whichever_engine_is_free_first() -> None:
    scene = FleetScene("a", "b")
    scene.arrive("x")
    running = scene.arrive(None)
    held = [scene.arrive("y"), scene.arrive("z")]
    assert [scene.home(key) for key in "yz"] == ["a", "b"]
    assert scene.finish(running) == [held[1]]
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    assert scene.finish(held[1]) == [held[0]]
    assert held[0].engine == "b"


def test_of_several_lines_the_session_that_has_waited_longest_is_served_first() -> None:
    scene = FleetScene("a", "b", "c")
    running = {name: scene.arrive(None) for name in "abc"}
    first, second, third = (scene.arrive(key) for key in "xyz")
    more = scene.arrive("w")
    assert [scene.home(key) for key in "xyzw"] == ["a", "b", "c", "a"]
    assert scene.finish(running["c"]) == [third]
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    assert scene.finish(third) == [first]
    assert first.engine == "c"
    assert (second.is_held, more.is_held) == (True, True)


def test_a_paused_session_is_not_moved_by_another_engines_room() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0})
    senior = scene.arrive("x")
    other = scene.arrive("z")
    scene.finish(scene.arrive("y"))
    assert [scene.home(key) for key in "xzy"] == ["a", "b", "a"]
    scene.fleet.apply(Resize(engine="a", window=1.0), now=0.0)
    resuming = scene.arrive("y")
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    scene.finish(other)
    assert (resuming.is_held, senior.is_in_flight, scene.home("y")) == (True, True, "a")


def test_a_place_lapsed_on_one_engine_serves_a_session_that_waits_for_another() -> None:
    scene = FleetScene("a", "b")
    scene.arrive("x")
    scene.finish(scene.arrive("y"))
    held = [scene.arrive("z"), scene.arrive("w")]
    assert [scene.home(key) for key in "xyz"] == ["a", "b", "a"]
    # Only the one that waits in b's own line makes b look at its leases: take it away.
    scene.fleet.finish(held[1], Answered(client_gone=True), now=0.0)
    assert scene.fleet.next_deadline() == LEASE_S
    assert scene.pass_time(LEASE_S) == [held[0]]
    assert held[0].engine == "b"
    deadline = scene.fleet.next_deadline()
    assert deadline is not None
    assert deadline > scene.now


def test_a_line_whose_head_was_served_elsewhere_moves_on() -> None:
    scene = FleetScene("a", "b")
    scene.arrive("x", tokens=100)
    running = scene.arrive(None, tokens=100)
    scene.fleet.apply(Observe(engine="a", load=load(running=1, kv_usage=0.1, capacity_tokens=1_000)), now=0.0)
    large, small = scene.arrive("large", tokens=950), scene.arrive("small", tokens=200)
    assert [scene.home(key) for key in ("large", "small")] == ["a", "a"]
    assert (large.is_held, small.is_held) == (True, True)
    assert scene.finish(running) == [large, small]
    assert _engines([large, small]) == ["b", "a"]


def test_finishing_twice_is_the_same_as_once() -> None:
    scene = FleetScene("a")
    running = scene.arrive("x")
    scene.finish(running)
    assert scene.finish(running) == []


def test_a_held_request_may_be_given_up_and_one_in_flight_too() -> None:
    scene = FleetScene("a", "b")
    running, _, held = scene.arrive("x"), scene.arrive("y"), scene.arrive("z")
    assert scene.fleet.finish(held, Answered(client_gone=True), now=0.0) == []
    assert held.outcome is Outcome.CLIENT_GONE
    waiting = scene.arrive("w")
    assert scene.fleet.finish(running, Answered(client_gone=True), now=0.0) == [waiting]
    assert scene.fleet.finish(held, Answered(client_gone=True), now=0.0) == []


def test_ending_an_unknown_session_does_nothing() -> None:
    assert FleetScene("a").fleet.apply(EndSession(key="nobody"), now=0.0) == []


def test_the_earliest_deadline_of_all_engines_counts() -> None:
    scene = FleetScene("a", "b")
    assert scene.fleet.next_deadline() is None
    scene.arrive("x")
    scene.arrive("y")
    tickets = [scene.arrive("z", hold_s=9.0), scene.arrive("w", hold_s=3.0)]
    assert scene.fleet.next_deadline() == 3.0
    assert scene.pass_time(3.0) == [tickets[1]]
    assert scene.fleet.next_deadline() == 9.0


def test_draining_refuses_what_waits_on_every_engine() -> None:
    scene = FleetScene("a", "b")
    running = [scene.arrive(key) for key in "xy"]
    held = [scene.arrive(key) for key in "zw"]
    assert set(scene.fleet.apply(Drain(), now=0.0)) == set(held)
    assert {ticket.outcome for ticket in held} == {Outcome.DRAINING}
    assert all(ticket.is_in_flight for ticket in running)
    assert scene.arrive("late").outcome is Outcome.DRAINING


def test_the_expected_wait_is_of_the_line_that_the_ticket_stands_in() -> None:
    scene = FleetScene("a", "b")
    for key in "xy":
        scene.arrive(key)
    held = [scene.arrive(key) for key in "zwv"]
    assert [scene.fleet.expected_wait(ticket, now=0.0)[0] for ticket in held] == [1, 1, 2]


def test_a_ticket_of_a_session_that_is_gone_waits_for_nothing() -> None:
    scene = FleetScene("a")
    ticket = scene.arrive("x")
    stranger = Ticket(session=ticket.session, number=99, arrival=Arrival(), now=0.0)
    scene.fleet.apply(EndSession(key="x"), now=0.0)
    scene.finish(ticket)
    assert scene.fleet.expected_wait(stranger, now=0.0) == (1, 0.0)


def test_it_says_which_sessions_and_engines_it_knows() -> None:
    scene = FleetScene("a")
    scene.arrive("x")
    known = (EndSession(key="x"), Resize(engine="a", window=2.0), Drain())
    assert all(scene.fleet.knows(change) for change in known)
    assert not scene.fleet.knows(Steer(key="y", steering=Steering.PAUSE))
    assert not scene.fleet.knows(LoseCache(engine="b"))


def test_a_ticket_of_an_engine_that_is_gone_is_over() -> None:
    scene = FleetScene("a", "b", "c")
    ticket = scene.arrive(None)
    scene.finish(ticket)
    scene.fleet.apply(RetireEngine(engine=ticket.engine), now=0.0)
    assert ticket.engine not in scene.fleet.gates
    assert scene.finish(ticket) == []


def test_an_operator_steers_a_session_wherever_it_is() -> None:
    scene = FleetScene("a", "b")
    tickets = [scene.arrive(key) for key in "xy"]
    for ticket in tickets:
        scene.finish(ticket)
    waiting = scene.arrive("z")
    assert waiting.is_held
    for steering in Steering:
        assert scene.fleet.apply(Steer(key="nobody", steering=steering), now=0.0) == []
    assert scene.fleet.apply(Steer(key="y", steering=Steering.PAUSE), now=0.0) == [waiting]
    paused = scene.arrive("y")
    assert paused.is_held
    scene.fleet.apply(Steer(key="y", steering=Steering.RESUME), now=0.0)
    assert paused.is_held, "its place is another session's now"
    scene.fleet.apply(Steer(key="z", steering=Steering.END), now=0.0)
    assert scene.finish(waiting) == [paused]
    scene.fleet.apply(Steer(key="x", steering=Steering.END), now=0.0)
    assert not scene.fleet.knows(EndSession(key="x"))


def test_an_engine_whose_window_is_not_enforced_admits_everybody() -> None:
    scene = FleetScene("a", "b")
    running = [scene.arrive(key) for key in "xy"]
    waiting = [scene.arrive(key) for key in "zw"]
    assert all(ticket.is_held for ticket in waiting)
    scene.fleet.apply(Enforce(engine="a", enforcing=False), now=0.0)
    assert all(ticket.is_in_flight for ticket in (*running, *waiting))
    assert scene.arrive("v").engine == "a", "the other engine's window is full"


def test_a_restarted_engine_is_expected_to_have_no_session_s_context() -> None:
    scene = FleetScene("a", "b")
    ticket = scene.arrive("x")
    scene.fleet.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10), now=0.0)
    scene.fleet.apply(LoseCache(engine=ticket.engine), now=0.0)
    scene.arrive("x")
    assert scene.fleet.gates[ticket.engine].snapshot().promised_tokens == 0


def test_what_a_fleet_cannot_carry_out_is_no_silent_nothing() -> None:
    scene = FleetScene("a")
    for change in (Change(), EngineChange(engine="a")):
        with pytest.raises(TypeError, match="cannot carry out"):
            scene.fleet.apply(change, now=0.0)


def test_a_request_leaves_an_engine_that_refused_it_although_others_of_its_session_are_in_flight() -> None:
    scene = FleetScene("a", "b", windows={"a": 9.0, "b": 9.0})
    refused, other = scene.arrive("s"), scene.arrive("s")
    scene.finish(refused)

    again = scene.arrive("s", avoid=refused.engine)

    assert other.engine == refused.engine
    assert again.is_in_flight
    assert again.engine not in ("", refused.engine)


def test_a_request_returns_to_the_only_engine_that_is_up() -> None:
    scene = FleetScene("a", "b", windows={"a": 9.0, "b": 9.0})
    scene.fleet.apply(Reachable(engine="b", is_up=False), now=0.0)
    refused = scene.arrive("s")
    scene.arrive("s")
    scene.finish(refused)

    assert scene.arrive("s", avoid="a").engine == "a"
