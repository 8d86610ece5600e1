"""The session of a queue that has waited longest."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.admission.waits import Waits


def waiting(number: int, *arrivals: float) -> Session:
    """A session with requests that arrived at these times."""
    session = Session(key=f"s{number}", seniority=number, one_shot=False, now=0.0)
    session.footprint = 100.0
    for place, at in enumerate(arrivals):
        session.held[Ticket(session=session, number=10 * number + place, arrival=Arrival(), now=at)] = None
    return session


def test_the_longest_wait_comes_first_whatever_the_order_of_joining() -> None:
    waits, late, early = Waits(), waiting(1, 5.0), waiting(2, 3.0)
    for session in (late, early, early):
        waits.join(session)
    assert waits.first() == (3.0, early)
    assert (len(waits), waits.tokens) == (2, 200.0)
    assert list(waits.sizes()) == [(3.0, 100.0), (5.0, 100.0)]
    waits.leave(early)
    waits.leave(early)
    assert waits.first() == (5.0, late)
    waits.leave(late)
    assert waits.first() is None
    assert waits.tokens == 0.0


def test_a_later_request_counts_when_the_first_one_has_given_up() -> None:
    waits, session, other = Waits(), waiting(1, 1.0, 8.0), waiting(2, 5.0)
    waits.join(session)
    waits.join(other)
    del session.held[next(iter(session.held))]
    assert waits.first() == (5.0, other)
    waits.leave(other)
    assert waits.first() == (8.0, session)


def test_a_session_without_a_waiting_request_is_not_among_them() -> None:
    waits = Waits()
    waits.join(waiting(1))
    assert waits.first() is None
    assert len(waits) == 0
