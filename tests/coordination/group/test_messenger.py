"""What a gateway says to the one that decides, and what it hears."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.messages import Finish, Join, Rejoin
from concur_proxy.coordination.protocol.replica import Replica
from tests.coordination.group.members import NOBODY, TERM, Link, member

OTHER = Term("2:x:other", frozenset({"me", "other"}))


def test_a_session_that_ends_while_nobody_leads_is_reported_to_the_next_leader() -> None:
    link = Link()
    follower = member(link)
    follower.follow(NOBODY)
    follower.say(EndSession(key="s"))
    follower.say(follower.replica.arrive(Arrival(key="t", hold_s=60.0), now=100.0)[1])
    assert link.sent == []
    follower.follow(OTHER)
    (_, join), (_, end) = link.sent
    assert isinstance(join, Join)
    assert [claim.arrival.key for claim in join.claims] == ["t"]
    assert end == EndSession(key="s")
    follower.follow(OTHER)
    assert len(link.sent) == 3, "it is reported once"


def test_a_session_that_ends_while_this_gateway_begins_to_lead_ends() -> None:
    new = member()
    new.say(new.replica.arrive(Arrival(key="s", hold_s=60.0), now=100.0)[1])
    (ticket,) = new.replica.released
    new.follow(NOBODY)
    new.replica.finish(ticket, Answered(), now=100.0)
    fleet_before = member().fleet
    fleet_before.arrive(Arrival(key="s", hold_s=60.0), now=100.0)
    record = fleet_before.record("s", now=100.0)
    assert record is not None
    for _ in new.leading(TERM, None, [record]):
        new.say(EndSession(key="s"))
    assert new.fleet.seniority_of("s") is None


def test_after_an_unexpected_error_the_senders_requests_are_reported_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link, replica = Link(), Replica()
    leader = member(link)
    list(leader.leading(TERM, None, []))
    leader.inbox.put("r", [replica.join(now=100.0)])
    tickets = [replica.arrive(Arrival(key=key, hold_s=60.0), now=100.0) for key in "ab"]
    leader.inbox.put("r", [arrive for _, arrive in tickets])
    finishes = [Finish(number=ticket.number, answered=Answered()) for ticket, _ in tickets]
    with monkeypatch.context() as patch:
        patch.setattr(leader.leader, "_count", lambda *_: 1 // 0)
        leader.inbox.put("r", finishes)
    assert "ZeroDivisionError" in caplog.text
    assert link.sent[-1] == ("r", Rejoin())
    leader.inbox.put("r", [Replica().join(now=100.0)])
    leader.hand_on(leader.leader.open(now=100.0))
    assert leader.fleet.gates["a"].snapshot().in_flight == 0
