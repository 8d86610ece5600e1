import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.session import SessionState
from concur_proxy.coordination.protocol.leader import Leader
from concur_proxy.coordination.protocol.messages import Arrive, Claim, Finish, Join
from concur_proxy.coordination.protocol.replica import Replica
from concur_proxy.recognition.conversations import BY_CONTENT
from concur_proxy.recognition.whereabouts import PromptRole
from tests.coordination.fleets import make_fleet
from tests.recognition.chains import chain


def claim(number: int, key: str) -> Claim:
    return Claim(
        number=number,
        arrival=Arrival(key=key, body_bytes=400, hold_s=60.0),
        seniority=None,
        engine="",
        waited_s=0.0,
    )


def finish(number: int) -> Finish:
    return Finish(number=number, answered=Answered())


def test_a_request_that_ended_though_it_is_held_here_waits_no_more() -> None:
    # its replica acted on a message from before the connection was lost
    leader = Leader(make_fleet(window=1.0))
    leader.receive("r", Join(join=1, claims=()), now=0.0)
    leader.receive("r", Arrive(claim=claim(1, "s")), now=0.0)
    leader.receive("r", Arrive(claim=claim(2, "t")), now=0.0)
    leader.receive("r", finish(2), now=1.0)
    assert leader.fleet.gates["a"].snapshot().held == 0
    leader.receive("r", finish(1), now=2.0)
    assert leader.fleet.gates["a"].snapshot().in_flight == 0


def test_a_request_whose_message_came_twice_is_counted_once() -> None:
    # Redis took the message, but its confirmation came too late, so it was sent again
    leader = Leader(make_fleet(window=1.0))
    leader.receive("r", Join(join=1, claims=()), now=0.0)
    for number, key in ((1, "s"), (2, "t")):
        for _ in range(2):
            leader.receive("r", Arrive(claim=claim(number, key)), now=0.0)
    snapshot = leader.fleet.gates["a"].snapshot()
    assert (snapshot.in_flight, snapshot.held) == (1, 1)
    for number in (1, 2):
        leader.receive("r", finish(number), now=1.0)
    snapshot = leader.fleet.gates["a"].snapshot()
    assert (snapshot.in_flight, snapshot.held) == (0, 0)


def test_a_replica_hears_where_its_session_stood_when_the_request_came() -> None:
    leader, replica = Leader(make_fleet(window=1.0)), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    found = []
    for now, key in enumerate("aab"):
        ticket, message = replica.arrive(Arrival(key=key, body_bytes=400, hold_s=60.0), now=now)
        replica.receive([told for _, told in leader.receive("r", message, now=now)], now=now)
        found.append((ticket.is_in_flight, ticket.found))
        done = replica.finish(ticket, Answered(client_gone=key == "a", first_token_s=0.1), now=now)
        assert done is not None
        leader.receive("r", done, now=now)
    assert found == [
        (True, SessionState.QUEUED),
        (True, SessionState.PAUSED),
        (True, SessionState.QUEUED),
    ]


def test_a_replica_hears_that_its_request_continues_a_known_conversation() -> None:
    leader, replica = Leader(make_fleet(window=1.0)), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    tickets = []
    for key in "st":
        ticket, message = replica.arrive(Arrival(key=key, body_bytes=400, hold_s=60.0), now=0.0)
        replica.receive([told for _, told in leader.receive("r", message, now=0.0)], now=0.0)
        tickets.append(ticket)
    session = leader.fleet.gates["a"].sessions.get("t")
    assert session is not None
    (waiting,) = session.held
    waiting.recognised_by = BY_CONTENT
    done = replica.finish(tickets[0], Answered(client_gone=True), now=1.0)
    assert done is not None
    replica.receive([told for _, told in leader.receive("r", done, now=1.0)], now=1.0)
    assert [(ticket.is_in_flight, ticket.recognised_by) for ticket in tickets] == [(False, ""), (True, BY_CONTENT)]


@pytest.mark.parametrize("key", [None, "named"])
def test_the_next_leader_finds_the_session_that_the_prompt_has_found(key: str | None) -> None:
    leader, replica = Leader(make_fleet()), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    for words in ("st", "stau"):
        arrival = Arrival(key=key, chain=chain(*words), hold_s=60.0, prompt_role=PromptRole.FIRST)
        ticket, message = replica.arrive(arrival, now=0.0)
        replica.receive([told for _, told in leader.receive("r", message, now=0.0)], now=0.0)
        if words == "st":
            done = replica.finish(ticket, Answered(prompt_tokens=10, first_token_s=0.1), now=0.0)
            assert done is not None
            leader.receive("r", done, now=0.0)
            key = None if key is None else "another name"
    assert (ticket.is_in_flight, ticket.recognised_by) == (True, BY_CONTENT)
    (session,) = leader.fleet.gates["a"].sessions
    record = leader.fleet.record(session.key, now=1.0)
    assert record is not None
    following = Leader(make_fleet())
    following.fleet.restore(record, now=1.0)
    following.receive("r", replica.join(now=1.0), now=1.0)
    (same,) = following.fleet.gates["a"].sessions
    assert (same.key, same.in_flight, same.seniority) == (session.key, 1, session.seniority)


def test_a_conversation_that_waits_keeps_its_turn_under_the_next_leader() -> None:
    leader, replica = Leader(make_fleet(window=1.0)), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    for words in ("xy", "st"):
        _, message = replica.arrive(Arrival(chain=chain(*words), hold_s=60.0), now=0.0)
        replica.receive([told for _, told in leader.receive("r", message, now=0.0)], now=0.0)
    before = {session.key: session.seniority for session in leader.fleet.gates["a"].sessions}
    following = Leader(make_fleet(window=1.0))
    for key in before:
        record = leader.fleet.record(key, now=1.0)
        assert record is not None
        following.fleet.restore(record, now=1.0)
    following.receive("r", replica.join(now=1.0), now=1.0)
    gate = following.fleet.gates["a"]
    assert {session.key: session.seniority for session in gate.sessions} == before
    assert (gate.snapshot().in_flight, gate.snapshot().held) == (1, 1)


def test_a_request_that_the_engine_refused_at_a_replica_frees_its_place() -> None:
    leader, replica = Leader(make_fleet(window=1.0)), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    tickets = []
    for key in "st":
        ticket, message = replica.arrive(Arrival(key=key, body_bytes=400, hold_s=60.0), now=0.0)
        replica.receive([told for _, told in leader.receive("r", message, now=0.0)], now=0.0)
        tickets.append(ticket)
    assert [ticket.is_in_flight for ticket in tickets] == [True, False]
    done = replica.finish(tickets[0], Answered(refused=True), now=1.0)
    assert done is not None
    replica.receive([told for _, told in leader.receive("r", done, now=1.0)], now=1.0)
    assert tickets[1].is_in_flight
    assert leader.fleet.gates["a"].sessions.get("s") is None
