"""A gate that goes on where another process left off."""

from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.record import SessionRecord
from concur_proxy.admission.session import Session, SessionState
from tests.admission.gates import Scene

LEASE = 5.0


def _record(session: Session, scene: Scene) -> SessionRecord:
    return SessionRecord.of(session, "e", now=scene.now)


def _kept(scene: Scene, *keys: str) -> list[SessionRecord]:
    sessions = [scene.gate.sessions.get(key) for key in keys]
    return [_record(session, scene) for session in sessions if session is not None]


def test_an_idle_session_keeps_its_place_for_what_is_left_of_its_lease() -> None:
    before, after = Scene(), Scene()
    before.idle("s")
    before.now = after.now = 3.0
    (record,) = _kept(before, "s")
    after.gate.restore(record.session(rank=record.rank, now=3.0))
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
    after.gate.restore(record.session(rank=record.rank, now=0.0))
    assert (after.gate.active, after.gate.snapshot().paused) == (0, 1)
    restored = after.gate.sessions.get("s")
    assert restored is not None
    assert restored.rank == record.rank


def test_a_request_in_flight_is_claimed_whatever_the_window_says() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a")
    ticket, decided = scene.gate.claim("b", rank=None, now=0.0)
    assert (ticket.outcome, decided) == (Outcome.ADMITTED, [])
    assert (scene.gate.active, scene.gate.snapshot().in_flight) == (2, 2)
    scene.finish(ticket)
    assert scene.gate.snapshot().in_flight == 1


def test_a_claim_releases_what_its_session_holds_here() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a")
    held = scene.arrive("b")
    _, decided = scene.gate.claim("b", rank=None, now=0.0)
    assert decided == [held]
    assert held.outcome is Outcome.ADMITTED


def test_a_session_with_requests_counts_as_idle_since_now_and_not_between_two_steps() -> None:
    scene = Scene()
    scene.arrive("a")
    scene.now = 100.0
    (record,) = _kept(scene, "a")
    assert (record.state, record.idle_s, record.is_between_steps) == ("active", 0.0, False)
