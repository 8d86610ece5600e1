"""A tenant holds at most so many places, and one that the engine only refuses gets one at a time."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.bounded import MOST_REFUSED
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene

REFUSED = Answered(first_token_s=0.1, refused=True)
SERVED = Answered(prompt_tokens=10, completion_tokens=1, first_token_s=0.1)


def arrive(scene: Scene, key: str, tenant: str, **more: int) -> Ticket:
    arrival = Arrival(key=key, tenant=tenant, body_bytes=40, hold_s=1000.0, **more)  # type: ignore[arg-type]
    return scene.gate.arrive(Whereabouts(session=key), arrival, now=scene.now)[0]


def finish(scene: Scene, ticket: Ticket, answered: Answered) -> list[Ticket]:
    return scene.gate.finish(ticket, answered, now=scene.now)


def active(scene: Scene, tenant: str) -> list[str]:
    sessions = [each for each in scene.gate.sessions if each.tenant == tenant and each.state is SessionState.ACTIVE]
    assert scene.gate.sessions.active_of(tenant) == len(sessions)
    return sorted(map(_key, sessions))


def _key(session: Session) -> str:
    return session.key


def refuse(scene: Scene, tenant: str, count: int = MOST_REFUSED) -> None:
    for number in range(count):
        key = f"{tenant} refused {number}"
        finish(scene, arrive(scene, key, tenant), REFUSED)
        scene.gate.end(key, now=scene.now)


def test_a_tenant_holds_no_more_places_than_it_may_and_blocks_nobody() -> None:
    scene = Scene(window=4.0)
    tickets = [arrive(scene, f"a{number}", "a", max_active=2) for number in range(5)]
    assert active(scene, "a") == ["a0", "a1"]
    assert scene.gate.waiting == 3
    assert [arrive(scene, key, "b").outcome for key in "bc"] == [Outcome.ADMITTED] * 2
    finish(scene, tickets[0], SERVED)
    scene.gate.end("a0", now=scene.now)
    assert active(scene, "a") == ["a1", "a2"]
    assert [ticket.is_held for ticket in tickets] == [False, False, False, True, True]


def test_a_place_goes_to_the_same_tenants_next_when_its_lease_has_ended() -> None:
    scene = Scene(window=9.0)
    first, second = [arrive(scene, key, "a", max_active=1) for key in ("a0", "a1")]
    finish(scene, first, SERVED)
    assert second.is_held
    assert scene.gate.next_deadline() == 5.0
    assert scene.pass_time(5.0) == [second]
    assert active(scene, "a") == ["a1"]


def test_a_raised_limit_counts_from_the_next_request() -> None:
    scene = Scene(window=9.0)
    arrive(scene, "a0", "a", max_active=1)
    second = arrive(scene, "a1", "a", max_active=1)
    assert second.is_held
    third = arrive(scene, "a2", "a")
    assert third.outcome is Outcome.ADMITTED
    finish(scene, third, SERVED)
    scene.gate.end("a2", now=scene.now)
    assert second.outcome is Outcome.ADMITTED


@pytest.mark.parametrize("max_active", [1, 9])
def test_no_more_sessions_of_a_tenant_wait_than_may(max_active: int) -> None:
    scene = Scene(window=1.0)
    arrive(scene, "first", "a")
    outcomes = [arrive(scene, f"a{n}", "a", max_active=max_active, max_waiting=2).outcome for n in range(4)]
    assert outcomes == [None, None, Outcome.QUEUE_FULL, Outcome.QUEUE_FULL]
    assert arrive(scene, "a0", "a", max_waiting=2).outcome is None, (
        "a session that waits already may have more requests"
    )
    assert arrive(scene, "b", "b", max_waiting=2).outcome is None


def test_a_tenant_that_is_only_refused_gets_one_place_at_a_time() -> None:
    scene = Scene(window=4.0)
    refuse(scene, "mallory")
    flood = [arrive(scene, f"m{number}", "mallory") for number in range(8)]
    assert active(scene, "mallory") == ["m0"]
    assert arrive(scene, "alice", "alice").outcome is Outcome.ADMITTED
    for number in range(7):
        finish(scene, flood[number], REFUSED)
        scene.gate.end(f"m{number}", now=scene.now)
        assert active(scene, "mallory") == [f"m{number + 1}"]
    finish(scene, flood[7], SERVED)
    later = [arrive(scene, f"later {number}", "mallory").outcome for number in range(2)]
    assert later == [Outcome.ADMITTED] * 2


def test_one_accepted_request_lets_all_that_are_blocked_return() -> None:
    scene = Scene(window=4.0)
    refuse(scene, "a")
    tickets = [arrive(scene, f"a{number}", "a") for number in range(4)]
    finish(scene, tickets[0], SERVED)
    assert active(scene, "a") == ["a0", "a1", "a2", "a3"]


def test_a_few_refusals_among_accepted_requests_limit_nobody() -> None:
    scene = Scene(window=4.0)
    for _ in range(5):
        refuse(scene, "a", MOST_REFUSED - 1)
        finish(scene, arrive(scene, "good", "a"), SERVED)
    assert all(arrive(scene, f"a{number}", "a").outcome is Outcome.ADMITTED for number in range(3))


def test_who_is_blocked_can_give_up_and_end() -> None:
    scene = Scene(window=4.0)
    tickets = [arrive(scene, f"a{number}", "a", max_active=1) for number in range(3)]
    finish(scene, tickets[1], Answered(client_gone=True))
    assert scene.gate.waiting == 1
    assert scene.gate.expected_wait(tickets[2], now=scene.now)[0] == 1
    assert scene.pass_time(1000.0) == [tickets[2]]
    assert tickets[2].outcome is Outcome.HOLD_TIMEOUT
    assert scene.gate.waiting == 0


def test_nobody_is_blocked_while_the_gate_only_observes() -> None:
    scene = Scene(window=4.0)
    tickets = [arrive(scene, f"a{number}", "a", max_active=1) for number in range(3)]
    assert scene.gate.enforce(enforcing=False, now=scene.now) == tickets[1:]
