"""A gateway of a group takes over the sessions of the last leader in steps."""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Change, Reachable
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.coordination.coordinator import CoordinatorParts, Role
from concur_proxy.coordination.group.member import Member
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.messages import Message
from tests.coordination.fleets import make_fleet

MANY = 50
TERM = Term("3:x:me", frozenset({"me"}))


class Link:
    """Sends nothing: this gateway is alone."""

    me = "me"

    def enter(self, term: str, *, leads: bool) -> None:
        pass

    def send(self, message: Message | Change, to: str | None = None) -> None:
        pass


def saved() -> list[SessionRecord]:
    fleet = make_fleet(window=float(MANY))
    for number in range(MANY):
        ticket, _ = fleet.arrive(Arrival(key=f"s{number}", body_bytes=400, hold_s=60.0), now=float(number))
        fleet.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10), now=float(number))
    records = [fleet.record(f"s{number}", now=float(MANY)) for number in range(MANY)]
    return [record for record in records if record is not None]


def member() -> Member:
    parts = CoordinatorParts(
        make_fleet=lambda after: make_fleet(window=float(MANY), after=after), clock=lambda: 100.0, replica="me"
    )
    return Member(parts, Link())


def test_it_leads_once_all_sessions_are_taken_over() -> None:
    new = member()
    new.follow(Term("", frozenset()))
    steps = 0
    for _ in new.leading(TERM, None, saved()):
        steps += 1
        assert new.role is Role.FOLLOWING
    assert steps == MANY
    assert new.role is Role.LEADING
    assert [each.key for each in new.fleet.gates["a"].sessions] == [f"s{number}" for number in range(MANY)]


def test_what_happens_to_an_engine_meanwhile_is_known_afterwards() -> None:
    new = member()
    new.follow(Term("", frozenset()))
    for step, _ in enumerate(new.leading(TERM, None, saved())):
        if step == MANY // 2:
            new.fleet.apply(Reachable(engine="a", is_up=False), now=100.0)
    assert new.fleet.down == {"a"}


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
