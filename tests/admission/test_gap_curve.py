from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.gap_curve import EDGES, GapCurve, cheapest

ages = st.floats(0.0, 2_000.0)


@given(st.lists(st.tuples(ages, st.sampled_from(["back", "ended", "silent"])), min_size=1, max_size=30), ages)
def test_odds_are_probabilities_and_survive_any_history(gaps: list[tuple[float, str]], later: float) -> None:
    curve, now = GapCurve(), 5_000.0
    for number, (age, fate) in enumerate(gaps):
        curve.begin(number, now=now)
        now += age
        if fate != "silent":
            curve.end(number, now=now, came_back=fate == "back")
    now += later
    curve.advance(now=now)
    odds = curve.table(now=now).odds()
    idle = [1.0] + [each for each, _ in odds]
    assert all(0.0 <= after <= before for before, after in pairwise(idle))
    assert all(back >= 0.0 for _, back in odds)
    assert sum(back for _, back in odds) + idle[-1] <= 1.0 + 1e-9
    assert 0.0 <= curve.table(now=now).return_odds() <= 1.0


@given(st.lists(st.floats(0.0, 500.0), min_size=5, max_size=60), st.floats(0.1, 1e3))
def test_no_other_length_costs_less(gaps: list[float], break_even_s: float) -> None:
    curve, now = GapCurve(), 0.0
    for number, gap in enumerate(gaps):
        curve.begin(number, now=now)
        now += gap
        curve.end(number, now=now, came_back=True)
    odds = curve.table(now=now).odds()
    total = sum(back for _, back in odds)

    def cost(length: float) -> float:
        held, later, before = 0.0, total, 1.0
        for begin, end, (idle, back) in zip(EDGES, EDGES[1:], odds, strict=False):
            if end <= length:
                held += (end - begin) * (before + idle) / 2
                later -= back
            before = idle
        return held + break_even_s * later

    best = cheapest(odds, break_even_s=break_even_s, worthwhile=0.5)
    least = min(map(cost, EDGES[1:]))
    none = break_even_s * total
    assert cost(best) == pytest.approx(least if best else none)
    assert (best > 0) is (least < 0.5 * none - 1e-9) or least == pytest.approx(0.5 * none)


def test_an_open_gap_counts_like_one_that_ended_at_its_age() -> None:
    curve = GapCurve()
    for number in range(10):
        curve.begin(number, now=0.0)
    curve.end(0, now=1.05, came_back=True)
    one_in_ten, before = curve.table(now=1.05).return_odds(), len(curve)
    curve.advance(now=100.0)
    assert (before, len(curve)) == (9, 9)
    assert curve.table(now=100.0).return_odds() < one_in_ten


def test_gaps_beyond_the_table_are_forgotten_as_silent() -> None:
    curve = GapCurve()
    for number in range(1_000):
        curve.begin(number, now=0.0)
    curve.advance(now=EDGES[-1])
    assert len(curve) == 0
    curve.end(5, now=EDGES[-1] + 1, came_back=True)
    assert curve.table(now=EDGES[-1]).return_odds() < 0.05


def test_the_share_of_returns_is_learned() -> None:
    curve, now = GapCurve(), 0.0
    for number in range(400):
        curve.begin(number, now=now)
        now += 1.0
        if number % 4:
            curve.end(number, now=now, came_back=True)
    curve.advance(now=now)
    assert curve.table(now=now).return_odds() == pytest.approx(0.75, abs=0.05)


def test_a_share_of_ends_is_assumed_even_where_every_session_came_back() -> None:
    curve, now = GapCurve(), 0.0
    for number in range(400):
        curve.begin(number, now=now)
        now += 20.0 if number % 20 == 0 else 1.0
        curve.end(number, now=now, came_back=True)
    odds = curve.table(now=now).odds()
    assert cheapest(odds, break_even_s=30.0, worthwhile=0.5) > 20.0
    assert cheapest(odds, break_even_s=30.0, worthwhile=0.5, ended=0.08) < 2.0
