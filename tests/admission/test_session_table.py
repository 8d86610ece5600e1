import pytest

from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.session_table import SessionTable


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
