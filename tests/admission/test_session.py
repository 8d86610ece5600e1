from itertools import product

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.session import TRANSITIONS, Session, SessionState
from concur_proxy.admission.ticket import Ticket

LEGAL = {
    (SessionState.QUEUED, SessionState.ACTIVE),
    (SessionState.QUEUED, SessionState.ENDED),
    (SessionState.ACTIVE, SessionState.PAUSED),
    (SessionState.ACTIVE, SessionState.ENDED),
    (SessionState.PAUSED, SessionState.ACTIVE),
    (SessionState.PAUSED, SessionState.ENDED),
}
PAIRS = list(product(SessionState, SessionState))


def _session(state: SessionState = SessionState.QUEUED) -> Session:
    session = Session(key="a", seniority=1, one_shot=False, now=0.0)
    session.state = state
    return session


def _contents(session: Session) -> dict[str, object]:
    return {name: getattr(session, name) for name in Session.__slots__}


def test_the_table_covers_every_state() -> None:
    assert set(TRANSITIONS) == set(SessionState)


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair in LEGAL])
def test_a_legal_change_of_state_happens(before: SessionState, after: SessionState) -> None:
    session = _session(before)
    session.enter(after)
    assert session.state is after


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair not in LEGAL])
def test_an_illegal_change_of_state_raises_and_changes_nothing(before: SessionState, after: SessionState) -> None:
    session = _session(before)
    contents = _contents(session)
    with pytest.raises(ValueError, match=f"'a' cannot go from {before.value} to {after.value}"):
        session.enter(after)
    assert _contents(session) == contents


def test_a_session_is_dormant_while_none_of_its_requests_is_held_or_in_flight() -> None:
    session = _session()
    assert session.is_dormant
    session.held[Ticket(session=session, number=2, arrival=Arrival(), now=0.0)] = None
    assert not session.is_dormant
    session.held.clear()
    session.in_flight = 1
    assert not session.is_dormant


def test_a_session_of_one_request_ends_with_it() -> None:
    assert Session(key="a", seniority=1, one_shot=True, now=0.0).ending
    assert not _session().ending
