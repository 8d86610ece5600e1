"""One gateway's own requests, and a leader that it exchanges messages with."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.coordination.protocol import replica as module
from concur_proxy.coordination.protocol.leader import Leader
from concur_proxy.coordination.protocol.messages import Finish, Rejoin
from concur_proxy.coordination.protocol.replica import Replica
from tests.coordination.fleets import make_fleet
from tests.coordination.protocol.conversation import Conversation


@pytest.fixture(name="talk")
def _talk() -> Conversation:
    """A leader whose window is one session, and a replica."""
    talk = Conversation(Leader(make_fleet(window=1.0)), "r")
    talk.join()
    return talk


def test_its_requests_wait_or_are_at_an_engine(talk: Conversation) -> None:
    replica = talk.replicas["r"]
    running, waiting = talk.arrive("r", "a", now=0.0), talk.arrive("r", "b", now=1.0)
    assert (len(replica), replica.released, replica.held) == (2, [running], [waiting])
    assert replica.expected_wait(waiting)[0] == 1
    assert running in talk.decided
    assert waiting not in talk.decided


def test_it_knows_a_session_from_the_leaders_first_word_to_the_sessions_end(talk: Conversation) -> None:
    replica = talk.replicas["r"]
    assert not replica.knows("a")
    talk.arrive("r", "a", now=0.0)
    assert replica.knows("a")
    replica.forget("a")
    replica.forget("a")
    assert not replica.knows("a")


def test_a_request_without_a_session_is_not_remembered(talk: Conversation) -> None:
    assert talk.arrive("r", None, now=0.0).is_in_flight
    assert not talk.replicas["r"].knows("")


def test_an_end_is_reported_once(talk: Conversation) -> None:
    replica, ticket = talk.replicas["r"], talk.arrive("r", "a", now=0.0)
    answered = Answered(prompt_tokens=10)
    assert replica.finish(ticket, answered, now=1.0) == Finish(number=ticket.number, answered=answered)
    assert ticket.finished
    assert replica.finish(ticket, answered, now=1.0) is None
    assert len(replica) == 0


def test_a_client_that_leaves_while_its_request_waits_is_reported(talk: Conversation) -> None:
    replica = talk.replicas["r"]
    talk.arrive("r", "a", now=0.0)
    waiting = talk.arrive("r", "b", now=0.0)
    done = replica.finish(waiting, Answered(), now=1.0)
    assert done == Finish(number=waiting.number, answered=Answered(client_gone=True))
    assert (waiting.outcome, waiting.decided_at) == (Outcome.CLIENT_GONE, 1.0)
    assert replica.held == []


def test_only_a_request_that_waits_can_be_refused(talk: Conversation) -> None:
    replica = talk.replicas["r"]
    running, waiting = talk.arrive("r", "a", now=0.0), talk.arrive("r", "b", now=0.0)
    assert replica.refuse(running, Outcome.DRAINING, now=1.0) is None
    assert running.is_in_flight
    assert replica.refuse(waiting, Outcome.DRAINING, now=1.0) is not None
    assert replica.refuse(waiting, Outcome.CLIENT_GONE, now=1.0) is None
    assert waiting.outcome is Outcome.DRAINING


def test_overdue_are_those_that_wait_past_their_deadline(talk: Conversation) -> None:
    replica = talk.replicas["r"]
    assert replica.next_deadline() is None
    talk.arrive("r", "a", now=0.0)
    late, later = talk.arrive("r", "b", now=0.0, hold_s=5.0), talk.arrive("r", "c", now=0.0, hold_s=9.0)
    assert replica.next_deadline() == 5.0
    assert replica.overdue(now=4.9) == []
    assert replica.overdue(now=5.0) == [late]
    assert replica.overdue(now=9.0) == [late, later]


def test_what_was_decided_before_its_last_join_does_not_count() -> None:
    leader, replica = Leader(make_fleet()), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    ticket, message = replica.arrive(Arrival(key="a", hold_s=60.0), now=0.0)
    old = [said for _, said in leader.receive("r", message, now=0.0)]
    replica.join(now=1.0)
    assert replica.receive([*old, Rejoin()], now=1.0) == []
    assert ticket.is_held


def test_a_decision_on_a_request_that_is_over_does_not_count() -> None:
    leader, replica = Leader(make_fleet()), Replica()
    leader.receive("r", replica.join(now=0.0), now=0.0)
    ticket, message = replica.arrive(Arrival(key="a", hold_s=60.0), now=0.0)
    late = [said for _, said in leader.receive("r", message, now=0.0)]
    assert replica.refuse(ticket, Outcome.DRAINING, now=1.0) is not None
    assert replica.receive(late, now=1.0) == []
    assert ticket.outcome is Outcome.DRAINING


def test_it_forgets_the_oldest_sessions_and_refusals(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_SESSIONS", 2)
    monkeypatch.setattr(module, "REMEMBERED_REFUSALS", 1)
    replica = talk.replicas["r"]
    talk.arrive("r", "a", now=0.0)
    refused = [talk.arrive("r", key, now=1.0) for key in "bc"]
    assert [replica.knows(key) for key in "abc"] == [False, True, True]
    waits = [replica.expected_wait(ticket) for ticket in refused]
    assert [position for position, _ in waits] == [1, 2]
    for ticket in reversed(refused):
        talk.finish("r", ticket, now=2.0)
    assert [replica.expected_wait(ticket) for ticket in refused] == [waits[0], (1, 0.0)]
