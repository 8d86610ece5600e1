from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.orders.resuming_first import ResumingFirst
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket


def _session(seniority: int, state: SessionState = SessionState.QUEUED) -> Session:
    session = Session(key=f"s{seniority}", seniority=seniority, one_shot=False, now=0.0)
    session.state = state
    return session


def _order(line: ResumingFirst) -> list[int]:
    seniorities = []
    while (session := line.head()) is not None:
        seniorities.append(session.seniority)
        line.leave(session)
    return seniorities


def test_resuming_sessions_come_before_new_ones_each_by_seniority() -> None:
    line = ResumingFirst()
    for session in (_session(3), _session(9, SessionState.PAUSED), _session(1), _session(4, SessionState.PAUSED)):
        line.join(session)
    first = line.first_new()
    assert first is not None
    assert first.seniority == 1
    assert _order(line) == [4, 9, 1, 3]
    assert len(line) == 0
    assert line.head() is line.first_new() is None


def test_sessions_that_were_silent_too_long_queue_with_new_ones_as_their_requests_came() -> None:
    line = ResumingFirst()
    lapsed = _session(1, SessionState.PAUSED)
    lapsed.has_lapsed = True
    lapsed.held[Ticket(session=lapsed, number=5, arrival=Arrival(), now=0.0)] = None
    for session in (_session(6), lapsed, _session(4), _session(2, SessionState.PAUSED)):
        line.join(session)
    assert line.position(lapsed) == 3
    first = line.first_new()
    assert first is not None
    assert first.seniority == 4
    assert _order(line) == [2, 4, 1, 6]


def test_joining_twice_is_the_same_as_once_and_leaving_twice_too() -> None:
    line, session = ResumingFirst(), _session(1)
    line.join(session)
    line.join(session)
    assert len(line) == 1
    line.leave(session)
    line.leave(session)
    assert len(line) == 0


def test_the_position_counts_from_one_over_both_parts() -> None:
    line = ResumingFirst()
    sessions = [_session(7, SessionState.PAUSED), _session(8, SessionState.PAUSED), _session(2), _session(5)]
    for session in sessions:
        line.join(session)
    assert [line.position(session) for session in sessions] == [1, 2, 3, 4]


def test_a_session_that_has_not_joined_has_the_position_that_it_would_have() -> None:
    line = ResumingFirst()
    line.join(_session(5))
    assert line.position(_session(3)) == 1
    assert line.position(_session(9)) == 2
    assert line.position(_session(9, SessionState.PAUSED)) == 1
