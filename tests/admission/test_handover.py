"""Sessions that move to another gate, and a gate that continues the sessions of another process."""

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene

LEASE = 5.0


def _two() -> tuple[Scene, Scene]:
    numbers = Numbers()
    return Scene(window=1.0, engine="source", numbers=numbers), Scene(window=1.0, engine="target", numbers=numbers)


def _record(session: Session, scene: Scene) -> SessionRecord:
    return SessionRecord.of(session, "e", ConversationTree(), now=scene.now)


def _kept(scene: Scene, *keys: str) -> list[SessionRecord]:
    sessions = [scene.gate.sessions.get(key) for key in keys]
    return [_record(session, scene) for session in sessions if session is not None]


def test_a_session_moves_with_its_held_requests_and_their_deadlines() -> None:
    source, target = _two()
    source.arrive("a")
    target.arrive("b")
    tickets = [source.arrive("c", hold_s=7.0), source.arrive("c", hold_s=9.0)]
    session = source.session("c")
    source.gate.handover.part_with(session, "lost")
    assert target.gate.handover.adopt(session, 0.0) == []
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
    source.gate.handover.part_with(session, "lost")
    target.gate.handover.adopt(session, 0.0)
    assert (target.gate.queue.position(elder.session), target.gate.queue.position(younger.session)) == (1, 2)


def test_an_active_session_moves_as_a_paused_one_and_gives_its_place_up() -> None:
    source, target = _two()
    source.idle("a")
    session = source.session("a")
    source.gate.handover.part_with(session, "lost")
    target.gate.handover.adopt(session, 0.0)
    assert (session.state, source.gate.active, source.gate.snapshot().footprint_tokens) == (SessionState.PAUSED, 0, 0.0)
    assert target.arrive("a").outcome is Outcome.ADMITTED
    assert target.gate.counters["resume", "window"] == 1
    assert source.gate.counters["pause", "moved"] == 1


def test_a_session_in_flight_stays_where_it_is() -> None:
    source, _ = _two()
    source.arrive("a")
    with pytest.raises(ValueError, match="'a' has requests in flight"):
        source.gate.handover.part_with(source.session("a"), "lost")
    assert (source.gate.active, source.gate.snapshot().in_flight) == (1, 1)


def test_a_dormant_session_that_moved_is_forgotten_in_its_time() -> None:
    source, target = _two()
    source.idle("a")
    session = source.session("a")
    source.gate.handover.part_with(session, "lost")
    target.gate.handover.adopt(session, 0.0)
    target.pass_time(100.0)
    assert len(target.gate.sessions) == 0


def test_an_idle_session_keeps_its_place_for_what_is_left_of_its_lease() -> None:
    before, after = Scene(), Scene()
    before.idle("s")
    before.now = after.now = 3.0
    (record,) = _kept(before, "s")
    after.gate.handover.restore(record.session(seniority=record.seniority, now=3.0))
    waiting = after.arrive("t")
    assert waiting.is_held
    after.now = LEASE - 0.1
    after.gate.expire(now=after.now)
    assert waiting.is_held
    after.now = LEASE
    after.gate.expire(now=after.now)
    assert waiting.outcome is Outcome.ADMITTED


def test_a_session_that_lost_its_place_is_still_without_one_and_knows_its_seniority() -> None:
    before, after = Scene(), Scene()
    before.idle("s")
    before.resize(1.0)
    session = before.gate.sessions.get("s")
    assert session is not None
    session.enter(SessionState.PAUSED)
    record = _record(session, before)
    after.gate.handover.restore(record.session(seniority=record.seniority, now=0.0))
    assert (after.gate.active, after.gate.snapshot().paused) == (0, 1)
    restored = after.gate.sessions.get("s")
    assert restored is not None
    assert restored.seniority == record.seniority


def test_a_request_in_flight_is_claimed_whatever_the_window_says() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a")
    ticket, decided = scene.gate.handover.claim(Whereabouts(session="b"), Arrival(key="b"), None, 0.0)
    assert (ticket.outcome, decided) == (Outcome.ADMITTED, [])
    assert (scene.gate.active, scene.gate.snapshot().in_flight) == (2, 2)
    scene.finish(ticket)
    assert scene.gate.snapshot().in_flight == 1


def test_a_claim_releases_what_its_session_holds_here() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a")
    held = scene.arrive("b")
    _, decided = scene.gate.handover.claim(Whereabouts(session="b"), Arrival(key="b"), None, 0.0)
    assert decided == [held]
    assert held.outcome is Outcome.ADMITTED


def test_a_session_with_requests_counts_as_idle_since_now_and_not_between_two_steps() -> None:
    scene = Scene()
    scene.arrive("a")
    scene.now = 100.0
    (record,) = _kept(scene, "a")
    assert (record.state, record.idle_s, record.is_between_steps) == ("active", 0.0, False)


def test_a_session_keeps_its_tenant_in_another_gateway() -> None:
    scene = Scene(window=1.0, engine="source")
    arrival = Arrival(key="a", tenant="blue", weight=3.0, priority=1, hold_s=9.0)
    scene.gate.arrive(Whereabouts(session="a"), arrival, now=0.0)
    session = _record(scene.session("a"), scene).session(seniority=1, now=0.0)
    assert (session.tenant, session.weight, session.priority) == ("blue", 3.0, 1)
