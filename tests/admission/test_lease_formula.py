"""The lease that is judged with little work decides as the one that computes everything again each time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease
from tests.admission.plain_lease import PlainLease

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "back", "back", "ended", "review", "idle", "break-even"]),
        st.sampled_from(Gap),
        st.integers(0, 2**20),
        st.one_of(st.just(0.0), st.integers(1, 4_000).map(lambda ms: ms / 1000), st.floats(0.0, 2_000.0)),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STEPS)
def test_the_short_cuts_change_no_decision(steps: list[tuple[str, Gap, int, float]]) -> None:
    lease, plain, now = LearnedLease(), PlainLease(), 1_000.0
    gaps: list[int] = []
    for what, kind, pick, seconds in steps:
        now += seconds
        if what == "begin":
            gaps.append(lease.begin_gap(kind, now=now))
            plain.begin_gap(kind, gaps[-1], now)
        elif what in ("back", "ended") and gaps:
            number = gaps.pop(pick % len(gaps))
            lease.end_gap(number, now=now, came_back=what == "back")
            plain.end_gap(number, now, came_back=what == "back")
        elif what == "break-even":
            lease.observe_break_even(0.1 + pick % 100)
            plain.observe_break_even(0.1 + pick % 100)
        elif what in ("review", "idle"):
            lease.review(now=now, is_engine_idle=what == "idle")
            plain.review(now, is_engine_idle=what == "idle")
        for each in Gap:
            assert lease.duration_s(each) == pytest.approx(plain.kinds[each].duration_s, abs=1e-9)
            assert lease.return_odds(each) == pytest.approx(plain.kinds[each].return_odds, abs=1e-9)


def test_a_short_cut_is_taken_while_nothing_changes() -> None:
    lease = LearnedLease()
    for number in range(40):
        gap = lease.begin_gap(Gap.LATER, now=float(number))
        lease.end_gap(gap, now=number + 0.5, came_back=True)
    kind = lease._kinds[Gap.LATER]
    lease.review(now=100.0)
    table = kind._table

    lease.review(now=200.0)
    assert kind._table is table
    gap = lease.begin_gap(Gap.LATER, now=201.0)
    lease.review(now=202.0)
    assert kind._table is not table, "an open gap grows older"
