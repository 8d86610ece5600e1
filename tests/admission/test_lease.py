import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.lease import FixedLease, LearnedLease


def _learned(*gaps: float, break_even_s: float | None = None) -> LearnedLease:
    lease = LearnedLease()
    for gap in gaps:
        lease.observe_gap(gap)
    if break_even_s is not None:
        lease.observe_break_even(break_even_s)
    return lease


def test_a_fixed_lease_learns_nothing() -> None:
    lease = FixedLease(7.0)
    lease.observe_gap(100.0)
    lease.observe_break_even(100.0)
    assert lease.duration_s == 7.0


def test_a_learned_lease_is_long_until_it_knows_enough() -> None:
    assert _learned(*[1.0] * (LearnedLease.ENOUGH - 1)).duration_s == LearnedLease.FIRST_S
    assert _learned(*[1.0] * LearnedLease.ENOUGH).duration_s == pytest.approx(just_over(1.0))


def just_over(gap: float) -> float:
    return gap * LearnedLease.MARGIN + LearnedLease.SHORTEST_S


def test_gaps_shorter_than_break_even_are_waited_for() -> None:
    assert _learned(*[0.5, 8.0] * 10, break_even_s=27.0).duration_s == pytest.approx(just_over(8.0))


def test_where_gaps_are_far_longer_than_break_even_no_place_is_held() -> None:
    assert _learned(*[float(gap) for gap in range(40, 120)], break_even_s=27.0).duration_s == 0.0


def test_rare_long_gaps_are_not_waited_for() -> None:
    assert _learned(*[1.0] * 95, *[300.0] * 5, break_even_s=27.0).duration_s == pytest.approx(just_over(1.0))


def test_a_slower_prefill_makes_the_lease_longer() -> None:
    gaps = [1.0] * 50 + [20.0] * 50
    assert _learned(*gaps, break_even_s=10.0).duration_s == 0.0
    assert _learned(*gaps, break_even_s=500.0).duration_s == pytest.approx(just_over(20.0))


@given(st.lists(st.integers(0, 10**6).map(lambda ms: ms / 1000), max_size=40), st.floats(0.0, 1e3))
def test_no_other_lease_would_have_cost_less(gaps: list[float], break_even_s: float) -> None:
    lease = LearnedLease()
    lease.observe_break_even(break_even_s)
    for gap in gaps:
        lease.observe_gap(gap)
    if len(gaps) < LearnedLease.ENOUGH:
        assert (lease.duration_s, lease.keeps_caches) == (LearnedLease.FIRST_S, True)
        return
    lease = _learned(*gaps, break_even_s=break_even_s)

    def cost(length: float) -> float:
        held = sum(gap if gap <= length else length + break_even_s for gap in gaps) / len(gaps)
        return (1 - LearnedLease.ENDED) * held + LearnedLease.ENDED * length

    none = (1 - LearnedLease.ENDED) * break_even_s
    least = min(map(cost, gaps))
    assert lease.keeps_caches is (lease.duration_s > 0)
    if lease.keeps_caches:
        chosen = min(gaps, key=lambda gap: abs(just_over(gap) - lease.duration_s))
        assert cost(chosen) <= least * (1 + 1e-9) + 1e-9
        assert least <= LearnedLease.STAY * none + 1e-9
    else:
        assert least >= LearnedLease.WORTHWHILE * none - 1e-9 or min(gaps) == 0


def test_a_lease_does_not_come_and_go() -> None:
    lease = _learned(*[1.0] * 20, break_even_s=2.5)
    assert lease.keeps_caches
    between = (1.0 * (1 - LearnedLease.ENDED) + LearnedLease.ENDED) / (1 - LearnedLease.ENDED) / 0.55
    lease.observe_break_even(between)
    assert lease.keeps_caches
    lease.observe_break_even(1.0)
    assert not lease.keeps_caches
    lease.observe_break_even(between)
    assert not lease.keeps_caches


def test_it_forgets_gaps_of_long_ago() -> None:
    lease = _learned(*[5.0] * LearnedLease.MEMORY, *[1.0] * LearnedLease.MEMORY)
    assert lease.duration_s == pytest.approx(just_over(1.0))


def test_a_lease_begins_with_what_was_learnt_elsewhere_until_it_knows_enough_itself() -> None:
    lease = LearnedLease()
    lease.begin_with(0.7)
    assert lease.duration_s == 0.7
    lease.begin_with(0.0)
    assert not lease.keeps_caches
    for _ in range(LearnedLease.ENOUGH):
        lease.observe_gap(1.0)
    lease.begin_with(0.7)
    assert lease.duration_s == pytest.approx(just_over(1.0))


def test_a_fixed_lease_is_the_same_everywhere() -> None:
    lease = FixedLease(7.0)
    lease.begin_with(0.7)
    assert lease.duration_s == 7.0
