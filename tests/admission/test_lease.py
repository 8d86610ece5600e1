import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.lease import FixedLease, LearnedLease


def _learned(*gaps: float) -> LearnedLease:
    lease = LearnedLease()
    for gap in gaps:
        lease.observe_gap(gap)
    return lease


def test_a_fixed_lease_learns_nothing() -> None:
    lease = FixedLease(7.0)
    lease.observe_gap(100.0)
    assert lease.duration_s == 7.0


def test_a_learned_lease_is_long_until_it_knows_enough() -> None:
    assert _learned(*[1.0] * (LearnedLease.ENOUGH - 1)).duration_s == LearnedLease.LONGEST_S
    assert _learned(*[1.0] * LearnedLease.ENOUGH).duration_s == pytest.approx(LearnedLease.MARGIN)


def test_it_is_just_longer_than_nearly_every_gap() -> None:
    assert _learned(*[1.0] * 96, *[50.0] * 4).duration_s == pytest.approx(1.5)
    assert _learned(*[1.0] * 90, *[4.0] * 10).duration_s == pytest.approx(6.0)


@given(st.lists(st.floats(0.0, 1e6), max_size=40))
def test_it_stays_within_its_bounds(gaps: list[float]) -> None:
    assert LearnedLease.SHORTEST_S <= _learned(*gaps).duration_s <= LearnedLease.LONGEST_S


def test_it_forgets_gaps_of_long_ago() -> None:
    assert _learned(*[5.0] * LearnedLease.MEMORY, *[1.0] * LearnedLease.MEMORY).duration_s == pytest.approx(1.5)
