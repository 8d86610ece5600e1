from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.holds import Holds
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket


def _ticket(number: int, deadline: float) -> Ticket:
    session = Session(key=f"s{number}", rank=number, one_shot=False, now=0.0)
    return Ticket(session=session, number=number, arrival=Arrival(hold_s=deadline), now=0.0)


def test_the_first_is_the_one_whose_hold_ends_first() -> None:
    holds = Holds()
    late, soon = _ticket(1, 9.0), _ticket(2, 3.0)
    assert holds.first() is None
    holds.add(late)
    holds.add(soon)
    assert holds.first() is soon
    holds.remove(soon)
    assert holds.first() is late


def test_of_equal_deadlines_the_first_to_come_is_first() -> None:
    holds = Holds()
    second, first = _ticket(2, 3.0), _ticket(1, 3.0)
    holds.add(second)
    holds.add(first)
    assert list(holds) == [first, second]
    assert len(holds) == 2


def test_a_removed_ticket_is_not_kept_until_its_deadline() -> None:
    holds = Holds()
    tickets = [_ticket(number, 1_000.0 + number) for number in range(50)]
    for ticket in tickets:
        holds.add(ticket)
    for ticket in tickets[1:]:
        holds.remove(ticket)
    assert (len(holds), list(holds)) == (1, tickets[:1])
