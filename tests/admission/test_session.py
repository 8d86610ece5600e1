from itertools import product

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.session import TRANSITIONS, Numbers, Session, SessionState, SessionTable
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


def _named(key: str) -> Session:
    return Session(key=key, seniority=1, one_shot=False, now=0.0)


def test_sessions_are_found_by_key_until_they_are_removed() -> None:
    table, session = SessionTable(), _named("a")
    table.add(session)
    assert table.get("a") is session
    assert table.get("b") is None
    assert (len(table), list(table)) == (1, [session])
    table.remove(session)
    assert (len(table), table.get("a"), table.count(SessionState.QUEUED)) == (0, None, 0)


def test_sessions_are_counted_by_state() -> None:
    table, one, two = SessionTable(), _named("a"), _named("b")
    table.add(one)
    table.add(two)
    table.move(one, SessionState.ACTIVE)
    assert (table.count(SessionState.QUEUED), table.count(SessionState.ACTIVE)) == (1, 1)
    table.remove(one)
    assert (table.count(SessionState.QUEUED), table.count(SessionState.ACTIVE)) == (1, 0)


def test_an_illegal_move_raises_and_counts_nothing() -> None:
    table, session = SessionTable(), _named("a")
    table.add(session)
    with pytest.raises(ValueError, match="cannot go from queued to paused"):
        table.move(session, SessionState.PAUSED)
    assert session.state is SessionState.QUEUED
    assert (table.count(SessionState.QUEUED), table.count(SessionState.PAUSED)) == (1, 0)


def test_the_longest_dormant_is_the_first_that_fell_asleep_and_has_not_woken() -> None:
    table, sessions = SessionTable(), [_named(key) for key in "abc"]
    assert table.longest_dormant() is None
    for session in sessions:
        table.add(session)
        table.sleep(session)
    table.wake(sessions[0])
    table.remove(sessions[1])
    assert table.longest_dormant() is sessions[2]


def test_its_keys_are_listed_elsewhere_as_well() -> None:
    homes: dict[str, str] = {}
    tables = {name: SessionTable() for name in "ab"}
    for name, table in tables.items():
        table.list_in(homes, name)
    session = Session(key="s", seniority=1, one_shot=False, now=0.0)
    tables["a"].add(session)
    assert homes == {"s": "a"}
    tables["a"].remove(session)
    tables["b"].add(session)
    assert homes == {"s": "b"}


def test_numbers_rise_from_where_others_left_off() -> None:
    numbers = Numbers(after=100)
    assert [next(numbers), next(numbers)] == [101, 102]


def test_a_number_from_elsewhere_is_kept_once() -> None:
    numbers = Numbers(after=100)
    assert numbers.take(7) == 7
    assert numbers.take(7) == 101
    assert numbers.take(None) == 102


def test_one_beyond_all_that_were_given_moves_these_on_and_one_among_them_is_not_trusted() -> None:
    numbers = Numbers(after=100)
    assert numbers.take(500) == 500
    assert numbers.take(400) == 501
    assert next(numbers) == 502


@pytest.mark.parametrize("again", [-1, -5])
def test_numbers_below_0_stay_apart(again: int) -> None:
    numbers = Numbers(after=100)
    assert numbers.take(again) == again
    assert numbers.take(again) == again - 1
    assert numbers.take_least() == again - 2
    assert next(numbers) == 101


def test_a_number_below_0_that_comes_back_from_elsewhere_is_not_given_twice() -> None:
    # A gateway remembers the seniority of a session's key, also for the separate session that has another model.
    numbers = Numbers()
    least = numbers.take_least()
    assert numbers.take(least) < least
