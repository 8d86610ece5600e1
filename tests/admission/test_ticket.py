from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket


def _ticket() -> Ticket:
    session = Session(key="a", rank=1, one_shot=False, now=3.0)
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
