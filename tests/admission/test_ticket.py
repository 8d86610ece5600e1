from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import MOST_LEFT, Holds, Ticket


def _ticket() -> Ticket:
    session = Session(key="a", seniority=1, one_shot=False, now=3.0)
    return Ticket(session=session, number=2, arrival=Arrival(key="s", body_bytes=10, hold_s=6.0), now=3.0)


def test_an_undecided_ticket_is_held_and_has_waited_for_nothing_yet() -> None:
    ticket = _ticket()
    assert (ticket.is_held, ticket.is_in_flight, ticket.held_s) == (True, False, 0.0)


def test_an_admitted_ticket_is_in_flight_until_it_has_finished() -> None:
    ticket = _ticket()
    ticket.outcome, ticket.decided_at = Outcome.ADMITTED, 4.5
    assert (ticket.is_held, ticket.is_in_flight, ticket.held_s) == (False, True, 1.5)
    ticket.finished = True
    assert not ticket.is_in_flight


def test_a_refused_ticket_is_neither_held_nor_in_flight() -> None:
    for outcome in set(Outcome) - {Outcome.ADMITTED}:
        ticket = _ticket()
        ticket.outcome = outcome
        assert (ticket.is_held, ticket.is_in_flight) == (False, False)


def _due(number: int, deadline: float) -> Ticket:
    session = Session(key=f"s{number}", seniority=number, one_shot=False, now=0.0)
    return Ticket(session=session, number=number, arrival=Arrival(hold_s=deadline), now=0.0)


def test_the_first_is_the_one_whose_hold_ends_first() -> None:
    holds = Holds()
    late, soon = _due(1, 9.0), _due(2, 3.0)
    assert holds.first() is None
    holds.add(late)
    holds.add(soon)
    assert holds.first() is soon
    holds.remove(soon)
    assert holds.first() is late


def test_of_equal_deadlines_the_first_to_come_is_first() -> None:
    holds = Holds()
    second, first = _due(2, 3.0), _due(1, 3.0)
    holds.add(second)
    holds.add(first)
    assert list(holds) == [first, second]
    assert len(holds) == 2


def test_a_removed_ticket_is_not_kept_until_its_deadline() -> None:
    holds = Holds()
    tickets = [_due(number, 1_000.0 + number) for number in range(50)]
    for ticket in tickets:
        holds.add(ticket)
    for ticket in tickets[1:]:
        holds.remove(ticket)
    assert (len(holds), list(holds)) == (1, tickets[:1])


def test_what_many_removed_tickets_leave_is_dropped() -> None:
    holds = Holds()
    left = _due(0, 500.0)
    holds.add(left)
    for number in range(1, 10 * MOST_LEFT):
        ticket = _due(number, 1_000.0 - number)
        holds.add(ticket)
        holds.remove(ticket)
        assert len(holds._deadlines) <= MOST_LEFT + 3
    assert holds.first() is left


def test_due_are_those_whose_deadlines_have_come_in_order() -> None:
    holds = Holds()
    tickets = [_due(number, 10.0 - number // 2) for number in range(6)]
    for ticket in tickets:
        holds.add(ticket)
    assert holds.due(7.9) == []
    assert holds.due(9.0) == [tickets[4], tickets[5], tickets[2], tickets[3]]
    holds.remove(tickets[4])
    assert holds.due(8.0) == [tickets[5]]
