from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.absent import Absent


def test_absent_sessions_are_counted_by_seniority() -> None:
    absent = Absent()
    for seniority in (5, -1, 3):
        absent.leave(seniority, 0.0)
    assert [absent.before(seniority, 1.0) for seniority in (-1, 0, 3, 4, 5, 6)] == [0, 1, 1, 2, 2, 3]


def test_a_session_that_came_back_is_not_absent() -> None:
    absent = Absent()
    absent.leave(1, 0.0)
    absent.come_back(1)
    absent.come_back(1)
    assert absent.count(0.0) == 0


def test_a_session_that_does_not_come_back_is_forgotten() -> None:
    absent = Absent()
    absent.leave(1, 0.0)
    absent.leave(2, 10.0)
    absent.leave(1, 20.0)
    assert absent.count(Absent.RETURN_S + 9.0) == 2
    assert absent.count(Absent.RETURN_S + 10.0) == 1
    assert absent.before(9, Absent.RETURN_S + 20.0) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(min_value=-3, max_value=9))))
def test_it_counts_as_a_set_does(events: list[tuple[bool, int]]) -> None:
    absent, expected = Absent(), set[int]()
    for leaves, seniority in events:
        if leaves:
            absent.leave(seniority, 0.0)
            expected.add(seniority)
        else:
            absent.come_back(seniority)
            expected.discard(seniority)
        assert absent.count(0.0) == len(expected)
        assert absent.before(4, 0.0) == sum(each < 4 for each in expected)
