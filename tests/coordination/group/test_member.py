"""A gateway of a group takes over the sessions of the last leader in steps."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession, Reachable
from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.group import member as module
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.manual import ManualSettings
from concur_proxy.coordination.protocol.messages import EngineStanding, Standing
from tests.coordination.group.members import MANY, NOBODY, TERM, Link, member, saved


def standing(*, is_up: bool = True, revision: int = 0) -> Standing:
    engine = EngineStanding(window=3.0, budget=None, is_up=is_up, models=("m",), lease_s=7.0)
    return Standing(engines={"a": engine}, replicas=2, laws={}, manual=ManualSettings(revision=revision))


def test_it_leads_once_all_sessions_are_taken_over() -> None:
    new = member()
    new.follow(NOBODY)
    steps = 0
    for _ in new.leading(TERM, None, saved()):
        steps += 1
        assert new.role is Role.FOLLOWING
    assert steps == MANY
    assert new.role is Role.LEADING
    assert [each.key for each in new.fleet.gates["a"].sessions] == [f"s{number}" for number in range(MANY)]


def test_what_happens_to_an_engine_meanwhile_is_known_afterwards() -> None:
    new = member()
    new.follow(NOBODY)
    for step, _ in enumerate(new.leading(TERM, None, saved())):
        if step == MANY // 2:
            new.fleet.apply(Reachable(engine="a", is_up=False), now=100.0)
    assert new.fleet.down == {"a"}


@pytest.mark.parametrize("is_up", [True, False])
def test_what_happens_to_an_engine_meanwhile_is_newer_than_what_the_last_leader_has_said(*, is_up: bool) -> None:
    new = member()
    new.follow(NOBODY)
    for step, _ in enumerate(new.leading(TERM, standing(is_up=not is_up), saved())):
        if step == MANY // 2:
            new.fleet.apply(Reachable(engine="a", is_up=is_up), now=100.0)
    assert new.fleet.down == (set() if is_up else {"a"})
    gate = new.fleet.gates["a"]
    assert (gate.snapshot().window, new.fleet.models_of("a")) == (3.0, frozenset("m"))


def test_nothing_that_the_last_leader_still_says_is_heard_meanwhile() -> None:
    link = Link()
    new = member(link)
    new.follow(Term("2:x:other", frozenset({"me", "other"})))
    for _ in new.leading(TERM, None, saved()):
        assert (new.leader_name, new.status.leader, link.term) == ("", "", "")
    assert link.term == TERM.name


def test_changed_sessions_are_saved_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVED_AT_ONCE", 20)
    new = member()
    list(new.leading(TERM, None, saved()))
    assert new.take_changes() == {}
    for number in range(MANY):
        new.fleet.apply(EndSession(key=f"s{number}"), now=100.0)
    new.say(new.replica.arrive(Arrival(body_bytes=400, hold_s=60.0), now=100.0)[1])
    parts = [new.take_changes() for _ in range(4)]
    assert max(map(len, parts)) <= 20
    assert {key: record for part in parts for key, record in part.items()} == {f"s{n}": None for n in range(MANY)}


def test_a_gateway_that_was_alone_decides_nothing_meanwhile() -> None:
    new = member()
    roles = [new.role, *(new.role for _ in new.leading(TERM, None, saved())), new.role]
    assert roles == [Role.ALONE, *[Role.FOLLOWING] * MANY, Role.LEADING]


def test_without_saved_sessions_it_leads_at_once() -> None:
    new = member()
    assert list(new.leading(TERM, None, [])) == []
    assert new.role is Role.LEADING


def test_a_request_that_comes_while_a_gateway_begins_another_term_of_its_own_is_counted_once() -> None:
    again = member()
    list(again.leading(Term("2:w:me", frozenset({"me"})), None, []))
    ticket, message = again.replica.arrive(Arrival(key="before", body_bytes=400, hold_s=60.0), now=100.0)
    again.say(message)
    for step, _ in enumerate(again.leading(TERM, None, saved())):
        if step == MANY // 2:
            newer, message = again.replica.arrive(Arrival(key="meanwhile", body_bytes=400, hold_s=60.0), now=100.0)
            again.say(message)
            finished = again.replica.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10), now=100.0)
            assert finished is not None
            again.say(finished)
    again.hand_on(again.leader.open(now=200.0))
    assert newer.is_in_flight
    finished = again.replica.finish(newer, Answered(prompt_tokens=100, completion_tokens=10), now=200.0)
    assert finished is not None
    again.say(finished)
    assert {session.key: session.in_flight for session in again.fleet.gates["a"].sessions if session.in_flight} == {}
    assert again.fleet.gates["a"].waiting == 0
