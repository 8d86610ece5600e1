"""A new leader without any state, and replicas that join, leave, and disagree with it."""

from itertools import pairwise

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession, Reachable
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol.early import MOST_AT_ONCE
from concur_proxy.coordination.protocol.leader import Leader
from concur_proxy.coordination.protocol.messages import Ask, Call, Decided, Finish, Held, Join, Rejoin
from concur_proxy.coordination.protocol.replica import Replica
from tests.coordination.fleets import make_fleet
from tests.coordination.protocol.conversation import Conversation


def in_flight(leader: Leader, engine: str = "a") -> int:
    return leader.fleet.gates[engine].snapshot().in_flight


def waiting(leader: Leader) -> int:
    return leader.fleet.gates["a"].snapshot().held


def test_a_replica_that_has_not_joined_is_asked_to_join() -> None:
    talk = Conversation(Leader(make_fleet()), "r")
    ticket = talk.arrive("r", "s", now=0.0)
    assert talk.said == [Rejoin()]
    assert ticket.is_held
    talk.join("r", now=1.0)
    assert ticket.is_in_flight
    assert talk.leader.replicas == {"r"}
    assert len(talk.leader.tickets_of("r")) == 1
    assert not talk.leader.tickets_of("unknown")


class TestUntilAllHaveJoined:
    def test_nothing_new_is_admitted_until_the_expected_replicas_have_joined(self) -> None:
        old = Conversation(Leader(make_fleet(window=1.0)), "p", "q")
        old.join()
        at_engine = old.arrive("q", "running", now=0.0)
        new = Conversation(Leader(make_fleet(window=1.0), expected={"p", "q"}, open_at=10.0))
        new.replicas = old.replicas
        new.join("p", now=1.0)
        ticket = new.arrive("p", "newcomer", now=1.0)
        assert new.said == []
        assert new.leader.next_deadline() == 10.0
        new.join("q", now=2.0)
        assert ticket.is_held, "the place belongs to the session that is running"
        assert [type(message) for message in new.said] == [Held]
        new.finish("q", at_engine, now=3.0, client_gone=True)
        assert ticket.is_in_flight

    def test_it_waits_no_longer_than_until_it_opens(self) -> None:
        talk = Conversation(Leader(make_fleet(), expected={"gone"}, open_at=10.0), "p")
        talk.join(now=0.0)
        ticket = talk.arrive("p", "s", now=1.0)
        talk.deliver(talk.leader.open(now=9.0), now=9.0)
        assert ticket.is_held
        talk.deliver(talk.leader.open(now=10.0), now=10.0)
        assert ticket.is_in_flight

    def test_it_opens_when_the_last_expected_replica_is_lost(self) -> None:
        talk = Conversation(Leader(make_fleet(), expected={"gone"}, open_at=10.0), "p")
        talk.join(now=0.0)
        ticket = talk.arrive("p", "s", now=1.0)
        talk.deliver(talk.leader.lose("gone", now=2.0), now=2.0)
        assert ticket.is_in_flight

    def test_an_early_request_that_ends_is_not_admitted_later(self) -> None:
        talk = Conversation(Leader(make_fleet(), expected={"gone"}, open_at=10.0), "p")
        talk.join(now=0.0)
        left, stays = talk.arrive("p", "left", now=1.0), talk.arrive("p", "stays", now=1.5)
        talk.finish("p", left, now=2.0)
        talk.deliver(talk.leader.open(now=10.0), now=10.0)
        assert left.outcome is Outcome.CLIENT_GONE
        assert stays.is_in_flight
        assert in_flight(talk.leader) == 1

    def test_an_early_request_of_a_lost_replica_is_not_admitted(self) -> None:
        talk = Conversation(Leader(make_fleet(), expected={"gone"}, open_at=10.0), "p")
        talk.join(now=0.0)
        talk.arrive("p", "s", now=1.0)
        talk.deliver(talk.leader.lose("p", now=2.0), now=2.0)
        talk.deliver(talk.leader.open(now=10.0), now=10.0)
        assert in_flight(talk.leader) == 0

    def test_a_saved_session_keeps_its_place_in_the_line_although_its_replica_was_never_told_of_it(self) -> None:
        old = Conversation(Leader(make_fleet(window=1.0)), "p")
        old.join()
        running = old.arrive("p", "running", now=0.0)
        first, message = old.replicas["p"].arrive(Arrival(key="first", hold_s=60.0), now=1.0)
        assert message is not None
        old.leader.receive("p", message, now=1.0)  # its answer is lost
        later = old.arrive("p", "later", now=2.0)
        record = old.leader.fleet.record("first", now=3.0)
        assert record is not None
        old.replicas["p"].finish(running, Answered(), now=3.0)  # no leader knows
        fleet = make_fleet(window=1.0)
        fleet.restore(record, now=3.0)
        new = Conversation(Leader(fleet, expected={"p"}, open_at=10.0))
        new.replicas = old.replicas
        new.join("p", now=4.0)
        assert (first.is_in_flight, later.is_held) == (True, True)

    def test_the_senior_session_is_first_and_then_the_one_that_has_waited_longest(self) -> None:
        old = Conversation(Leader(make_fleet(window=1.0)), "p", "q")
        old.join()
        running, senior = old.arrive("p", "running", now=0.0), old.arrive("q", "senior", now=1.0)
        unheard = [
            old.replicas[name].arrive(Arrival(key=f"from {name} at {now}", hold_s=60.0), now=now)[0]
            for name, now in (("p", 5.0), ("q", 2.0))
        ]
        new = Conversation(Leader(make_fleet(window=1.0), expected={"p", "q"}, open_at=10.0))
        new.replicas = old.replicas
        new.join("p", "q", now=8.0)
        for name, ticket in (("p", running), ("q", senior), ("q", unheard[1]), ("p", unheard[0])):
            assert ticket.is_in_flight
            new.finish(name, ticket, now=11.0, client_gone=True)


class TestJoiningAgain:
    def test_a_decision_that_was_lost_is_repeated(self) -> None:
        leader, replica = Leader(make_fleet()), Replica()
        leader.receive("r", replica.join(now=0.0), now=0.0)
        ticket, message = replica.arrive(Arrival(key="s", hold_s=60.0), now=0.0)
        leader.receive("r", message, now=0.0)  # the answer is lost
        post = leader.receive("r", replica.join(now=1.0), now=1.0)
        assert [type(message) for _, message in post] == [Decided]
        assert replica.receive([message for _, message in post], now=1.0) == [ticket]
        assert in_flight(leader) == 1

    def test_a_request_that_both_know_to_be_in_flight_stays(self) -> None:
        talk = Conversation(Leader(make_fleet()), "r")
        talk.join()
        ticket = talk.arrive("r", "s", now=0.0)
        said = len(talk.said)
        talk.join(now=1.0)
        assert (len(talk.said), in_flight(talk.leader)) == (said, 1)
        talk.finish("r", ticket, now=2.0)
        assert in_flight(talk.leader) == 0

    def test_a_request_that_the_replica_no_longer_has_is_over(self) -> None:
        talk = Conversation(Leader(make_fleet(window=1.0)), "r", "other")
        talk.join()
        talk.arrive("r", "running", now=0.0)
        next_one = talk.arrive("other", "next", now=0.0)
        talk.say("r", Join(join=2, claims=()), now=1.0)
        assert in_flight(talk.leader) == 0
        talk.deliver(talk.leader.post(talk.leader.fleet.expire(now=20.0), now=20.0), now=20.0)
        assert next_one.is_in_flight, "the lease of the session that ran is over"

    def test_a_request_that_runs_elsewhere_than_the_leader_thinks_is_counted_there(self) -> None:
        talk = Conversation(Leader(make_fleet(engines=("a", "b"))), "r")
        talk.join()
        ticket = talk.arrive("r", "s", now=0.0)
        there, here = ticket.engine, "b" if ticket.engine == "a" else "a"
        ticket.engine = here
        talk.join(now=1.0)
        assert (in_flight(talk.leader, there), in_flight(talk.leader, here)) == (0, 1)

    def test_a_request_at_an_engine_that_the_leader_lacks_is_not_counted(self) -> None:
        talk = Conversation(Leader(make_fleet()), "r")
        talk.join()
        ticket = talk.arrive("r", "s", now=0.0)
        ticket.engine = "elsewhere"
        talk.join(now=1.0)
        assert in_flight(talk.leader) == 0
        talk.finish("r", ticket, now=2.0)
        assert not talk.leader.tickets_of("r")


def test_requests_of_a_lost_replica_end_and_the_waiting_ones_of_others_are_admitted() -> None:
    talk = Conversation(Leader(make_fleet(window=1.0, lease_s=0.0)), "lost", "other")
    talk.join()
    talk.arrive("lost", "running", now=0.0)
    talk.arrive("lost", "waiting", now=0.0)
    next_one = talk.arrive("other", "next", now=0.0)
    assert waiting(talk.leader) == 2
    talk.deliver(talk.leader.lose("lost", now=1.0), now=1.0)
    assert next_one.is_in_flight
    assert waiting(talk.leader) == 0
    assert talk.leader.replicas == {"other"}


def test_a_request_that_waited_too_long_is_refused_and_its_replica_knows_where_it_stood() -> None:
    talk = Conversation(Leader(make_fleet(window=1.0)), "r")
    talk.join()
    running = talk.arrive("r", "running", now=0.0)
    refused = talk.arrive("r", "waiting", now=0.0, hold_s=5.0)
    assert talk.leader.next_deadline() == 5.0
    assert talk.replicas["r"].next_deadline() == 5.0
    talk.deliver(talk.leader.post(talk.leader.fleet.expire(now=5.0), now=5.0), now=5.0)
    assert refused.outcome is Outcome.HOLD_TIMEOUT
    assert talk.replicas["r"].expected_wait(refused)[0] == 1
    assert len(talk.leader.tickets_of("r")) == 1
    assert running.is_in_flight


def test_an_ended_session_makes_room() -> None:
    talk = Conversation(Leader(make_fleet(window=1.0)), "r")
    talk.join()
    first = talk.arrive("r", "first", now=0.0)
    talk.finish("r", first, now=1.0)
    second = talk.arrive("r", "second", now=1.0)
    assert second.is_held
    talk.say("r", EndSession(key="first"), now=2.0)
    assert second.is_in_flight


def test_a_session_at_an_engine_that_cannot_be_reached_goes_to_another() -> None:
    talk = Conversation(Leader(make_fleet(engines=("a", "b"))), "r")
    talk.join()
    ticket = talk.arrive("r", "s", now=0.0)
    left = ticket.engine
    talk.finish("r", ticket, now=1.0)
    talk.say("r", Reachable(engine=left, is_up=False), now=2.0)
    assert talk.arrive("r", "s", now=3.0).engine not in {"", left}


def test_an_end_that_the_leader_has_heard_and_a_message_for_others_change_nothing() -> None:
    talk = Conversation(Leader(make_fleet()), "r")
    talk.join()
    talk.say("r", Finish(number=7, answered=Answered()), now=0.0)
    talk.say("r", Ask(number=1, call=Call(method="GET", path="/concur/v1/state")), now=0.0)
    assert talk.said == []


def test_thousands_that_waited_for_a_new_leader_are_decided_a_few_at_a_time_by_seniority() -> None:
    many = 3 * MOST_AT_ONCE - 2  # as many as may wait
    old = Conversation(Leader(make_fleet(window=1.0)), "p", "q")
    old.join()
    old.arrive("p", "running", now=0.0)
    for number in range(many):
        old.arrive("pq"[number % 2], f"s{number}", now=float(number))
    new = Conversation(Leader(make_fleet(window=1.0), expected={"p", "q"}, open_at=1e6))
    new.replicas = old.replicas
    new.join("p", now=1000.0)
    assert waiting(new.leader) == 0
    new.join("q", now=1000.0)
    late = new.arrive("p", "late", now=1000.0)
    seen = [waiting(new.leader)]
    while late.session.seniority == 0:
        assert new.leader.next_deadline() == 0.0
        new.deliver(new.leader.open(now=1001.0), now=1001.0)
        seen.append(waiting(new.leader))
    assert max(after - before for before, after in pairwise([0, *seen])) <= 2 * MOST_AT_ONCE
    assert seen[-1] == many + 1
    order = [session.key for session in new.leader.fleet.gates["a"].queue]
    assert order == [*(f"s{number}" for number in range(many)), "late"]


def test_a_client_that_left_while_it_waited_has_its_turn_back_under_the_next_leader() -> None:
    old = Conversation(Leader(make_fleet(window=1.0)), "p")
    old.join()
    for number, key in enumerate(("running", "left", "next")):
        ticket = old.arrive("p", key, now=float(number))
        if key == "left":
            old.finish("p", ticket, now=1.5, client_gone=True)
    new = Conversation(Leader(make_fleet(window=1.0, after=1_000)))
    new.replicas = old.replicas
    new.join(now=3.0)
    new.arrive("p", "newcomer", now=4.0)
    new.arrive("p", "left", now=5.0)
    assert [session.key for session in new.leader.fleet.gates["a"].queue] == ["left", "next", "newcomer"]


def with_many_in_flight(many: int, *, window: float) -> tuple[Conversation, list[Ticket]]:
    """A new leader, and a replica with many requests in flight that has just joined."""
    old = Conversation(Leader(make_fleet(window=float(many))), "p", "q")
    old.join()
    tickets = [old.arrive("p", f"s{number}", now=0.0) for number in range(many)]
    new = Conversation(Leader(make_fleet(window=window), expected={"p", "q"}, open_at=10.0))
    new.replicas = old.replicas
    new.join("p", now=1.0)
    return new, tickets


def test_thousands_in_flight_are_counted_a_few_at_a_time_before_anything_is_decided() -> None:
    many = 6 * MOST_AT_ONCE
    talk, _ = with_many_in_flight(many, window=float(many))
    talk.join("q", now=1.0)
    newcomer = talk.arrive("q", "newcomer", now=1.0)
    seen = [in_flight(talk.leader)]
    while seen[-1] < many:
        assert newcomer.is_held
        assert talk.leader.next_deadline() == 0.0
        talk.deliver(talk.leader.open(now=1.0), now=1.0)
        seen.append(in_flight(talk.leader))
    assert max(after - before for before, after in pairwise(seen)) == MOST_AT_ONCE
    assert seen[0] == 3 * MOST_AT_ONCE, "once for each of three messages"
    talk.deliver(talk.leader.open(now=1.0), now=1.0)
    assert newcomer.is_held, "every place is taken"
    assert waiting(talk.leader) == 1


def test_a_request_that_ends_before_it_is_counted_ends_as_any_other() -> None:
    talk, tickets = with_many_in_flight(3 * MOST_AT_ONCE, window=1e3)
    answered = Answered(prompt_tokens=77, completion_tokens=3, first_token_s=0.1)
    talk.say("p", talk.replicas["p"].finish(tickets[-1], answered, now=2.0), now=2.0)
    session = talk.leader.fleet.gates["a"].sessions.get(tickets[-1].session.key)
    assert session is not None
    assert (session.in_flight, session.footprint) == (0, 80)
    for _ in range(3):
        talk.deliver(talk.leader.open(now=2.0), now=2.0)
    assert in_flight(talk.leader) == 3 * MOST_AT_ONCE - 1


def test_requests_that_are_not_counted_yet_are_forgotten_with_their_replica() -> None:
    talk, _ = with_many_in_flight(3 * MOST_AT_ONCE, window=1e3)
    talk.join("p", now=1.0)
    talk.deliver(talk.leader.lose("p", now=2.0), now=2.0)
    while talk.leader.next_deadline() == 0.0:
        talk.deliver(talk.leader.open(now=2.0), now=2.0)
    assert in_flight(talk.leader) == 0


def test_the_requests_of_a_lost_replica_are_forgotten_a_few_at_a_time() -> None:
    many = 3 * MOST_AT_ONCE
    talk = Conversation(Leader(make_fleet(window=1.0)), "lost", "other")
    talk.join()
    for number in range(many):
        talk.arrive("lost", f"s{number}", now=0.0)
    talk.deliver(talk.leader.lose("lost", now=1.0), now=1.0)
    assert talk.leader.replicas == {"other"}
    left = [waiting(talk.leader)]
    while left[-1]:
        assert talk.leader.next_deadline() == 0.0
        talk.deliver(talk.leader.open(now=1.0), now=1.0)
        left.append(waiting(talk.leader))
    assert max(before - after for before, after in pairwise([many, *left])) <= MOST_AT_ONCE
    assert not [message for message in talk.said if isinstance(message, Decided) and message.outcome == "client_gone"]
