import pytest

from concur_proxy.admission.numbers import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from tests.admission.gates import Scene


def _two() -> tuple[Scene, Scene]:
    numbers = Numbers()
    return Scene(window=1.0, engine="source", numbers=numbers), Scene(window=1.0, engine="target", numbers=numbers)


def test_a_session_moves_with_its_held_requests_and_their_deadlines() -> None:
    source, target = _two()
    source.arrive("a")
    target.arrive("b")
    tickets = [source.arrive("c", hold_s=7.0), source.arrive("c", hold_s=9.0)]
    session = source.session("c")
    source.gate.part_with(session, "lost")
    assert target.gate.adopt(session, now=0.0) == []
    assert (source.gate.snapshot().held, target.gate.snapshot().held) == (0, 2)
    assert (source.gate.sessions.get("c"), target.gate.sessions.get("c")) == (None, session)
    assert source.gate.next_deadline() is None
    assert source.pass_time(8.0) == []
    assert target.pass_time(8.0) == tickets[:1]
    assert tickets[0].engine == "target"


def test_a_moved_session_keeps_its_seniority_in_the_new_line() -> None:
    source, target = _two()
    source.arrive("a")
    target.arrive("b")
    elder, younger = source.arrive("c"), target.arrive("d")
    session = source.session("c")
    source.gate.part_with(session, "lost")
    target.gate.adopt(session, now=0.0)
    assert (target.gate.position(elder), target.gate.position(younger)) == (1, 2)


def test_an_active_session_moves_as_a_paused_one_and_gives_its_place_up() -> None:
    source, target = _two()
    source.idle("a")
    session = source.session("a")
    source.gate.part_with(session, "lost")
    target.gate.adopt(session, now=0.0)
    assert (session.state, source.gate.active, source.gate.snapshot().footprint_tokens) == (SessionState.PAUSED, 0, 0.0)
    assert target.arrive("a").outcome is Outcome.ADMITTED
    assert target.gate.counters["resume", "window"] == 1
    assert source.gate.counters["pause", "moved"] == 1


def test_a_session_in_flight_stays_where_it_is() -> None:
    source, _ = _two()
    source.arrive("a")
    with pytest.raises(ValueError, match="'a' has requests in flight"):
        source.gate.part_with(source.session("a"), "lost")
    assert (source.gate.active, source.gate.snapshot().in_flight) == (1, 1)


def test_a_dormant_session_that_moved_is_forgotten_in_its_time() -> None:
    source, target = _two()
    source.idle("a")
    session = source.session("a")
    source.gate.part_with(session, "lost")
    target.gate.adopt(session, now=0.0)
    target.pass_time(100.0)
    assert len(target.gate.sessions) == 0
