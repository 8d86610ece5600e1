"""Requests that the engine refuses: a place is for those whom the engine accepts."""

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from tests.admission.gates import Scene


def refuse(scene: Scene, ticket: Ticket, *, prompt: int | None = None) -> list[Ticket]:
    answered = Answered(refused=True, first_token_s=0.1, prompt_tokens=prompt, completion_tokens=3, cached_tokens=0)
    return scene.gate.finish(ticket, answered, now=scene.now)


def test_a_refused_session_ends_and_the_next_one_gets_its_place_at_once() -> None:
    scene = Scene(window=1.0)
    stranger, waiting = scene.arrive("a"), scene.arrive("b")
    assert refuse(scene, stranger) == [waiting]
    assert scene.gate.sessions.get("a") is None
    assert scene.gate.counters["end", "refused"] == 1
    refuse(scene, waiting)
    assert scene.gate.footprint_tokens == scene.gate.active == len(scene.gate.sessions) == 0


def test_a_retry_that_is_accepted_starts_normally() -> None:
    scene = Scene(window=1.0)
    refuse(scene, scene.arrive("a", tokens=100))
    scene.idle("b")
    retry = scene.arrive("a", tokens=100)
    assert (retry.is_held, retry.found) == (True, SessionState.QUEUED)
    assert scene.gate.end("b", now=0.0) == [retry]
    scene.finish(retry, prompt=100)
    assert (scene.session("a").state, scene.session("a").turns) == (SessionState.ACTIVE, 1)


def test_an_accepted_session_loses_its_place_and_resumes_first() -> None:
    scene = Scene(window=1.0)
    scene.finish(scene.arrive("a", tokens=100), prompt=100, completion=20)
    bad, waiting, last = scene.arrive("a", tokens=900), scene.arrive("b"), scene.arrive("c")
    assert refuse(scene, bad) == [waiting]
    assert scene.session("a").state is SessionState.PAUSED
    assert scene.session("a").footprint == 120, "the refused prompt is not in the cache"
    assert scene.gate.counters["pause", "refused"] == 1
    better = scene.arrive("a", tokens=150)
    assert scene.finish(waiting) == []
    assert scene.gate.end("b", now=0.0) == [better]
    assert last.is_held


def test_other_requests_of_the_session_go_on() -> None:
    scene = Scene(window=1.0)
    good, bad = scene.arrive("a", tokens=100), scene.arrive("a", member="sub", tokens=700)
    assert scene.gate.footprint_tokens == 800
    refuse(scene, bad)
    assert scene.gate.footprint_tokens == 100, "the refused member needs no cache"
    scene.finish(good, prompt=100)
    assert scene.session("a").state is SessionState.ACTIVE


def test_a_session_whose_later_request_waits_is_not_forgotten() -> None:
    scene = Scene(window=2.0)
    scene.arrive("s")
    bad = scene.arrive("a")
    scene.resize(1.0)
    second = scene.arrive("a")
    assert second.is_held
    assert refuse(scene, bad) == []
    assert scene.session("a").state is SessionState.PAUSED
    assert scene.gate.end("s", now=0.0) == []
    assert second.is_held, "the senior session still works"


def test_nothing_is_learned_from_a_refusal() -> None:
    lease = LearnedLease()
    scene = Scene(window=1.0, lease=lease)
    before = scene.gate.accounts.estimator.tokens_per_byte
    for number in range(200):
        refuse(scene, scene.arrive(f"a{number}", tokens=100), prompt=250)
        scene.pass_time(1.0)
    assert scene.gate.accounts.estimator.tokens_per_byte == before
    assert scene.gate.accounts.answered_tokens == scene.gate.accounts.promised_tokens == 0
    assert scene.gate.accounts.prefill_tokens_s is None
    assert lease.keeps_caches
