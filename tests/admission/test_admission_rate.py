from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.admission_rate import AdmissionRate

SECONDS = st.floats(min_value=0.01, max_value=1_000.0)
PLACES = st.integers(min_value=1, max_value=500)


def standing(
    intervals: Sequence[float] = (), at_once: int = 1, *, is_newcomer: bool = True
) -> tuple[AdmissionRate, float]:
    """A queue from which `at_once` sessions left after each interval, and the time of the last movement."""
    rate, now = AdmissionRate(), 0.0
    rate.queue_stands(now)
    for interval in intervals:
        now += interval
        for _ in range(at_once):
            rate.admitted(now, is_newcomer=is_newcomer)
        rate.queue_stands(now)
    return rate, now


def test_a_queue_from_which_nobody_has_left_gets_a_guess_times_the_place() -> None:
    rate = AdmissionRate()
    assert rate.expected_wait_s(1, now=0.0) == AdmissionRate.UNKNOWN_WAIT_S
    assert rate.expected_wait_s(3, now=0.0) == 3 * AdmissionRate.UNKNOWN_WAIT_S


@given(SECONDS, st.integers(min_value=1, max_value=20), st.integers(min_value=1, max_value=20), PLACES)
def test_the_wait_is_the_place_times_the_time_per_admission(x: float, at_once: int, moves: int, place: int) -> None:
    rate, now = standing([x] * moves, at_once)
    assert rate.expected_wait_s(place, now=now) == pytest.approx(place * x / at_once)


@given(intervals=st.lists(SECONDS, max_size=20), still_s=SECONDS, place=PLACES, is_newcomer=st.booleans())
def test_the_wait_is_never_shorter_than_the_queue_has_stood(
    intervals: list[float], still_s: float, place: int, *, is_newcomer: bool
) -> None:
    rate, now = standing(intervals)
    earlier = rate.expected_wait_s(place, now=now, is_newcomer=is_newcomer)
    later = rate.expected_wait_s(place, now=now + still_s, is_newcomer=is_newcomer)
    assert later >= earlier
    assert later >= still_s - 1e-9


def test_newer_movements_count_more() -> None:
    slow_last, now = standing([1.0, 1.0, 10.0])
    fast_last, _ = standing([10.0, 1.0, 1.0])
    assert slow_last.expected_wait_s(1, now=now) > 4.0 > fast_last.expected_wait_s(1, now=now)


def test_a_queue_that_moves_again_does_not_forget_at_once_that_it_stood() -> None:
    rate, now = standing([*[1.0] * 50, 100.0, 1.0])
    assert rate.expected_wait_s(1, now=now) > 10.0


def test_a_newcomer_that_others_pass_sees_a_queue_that_stands_still() -> None:
    rate, now = standing([1.0] * 50, is_newcomer=False)
    assert rate.expected_wait_s(1, now=now, is_newcomer=False) == pytest.approx(1.0)
    assert rate.expected_wait_s(1, now=now, is_newcomer=True) == 50.0
    rate.admitted(now + 1.0, is_newcomer=True)
    assert rate.expected_wait_s(1, now=now + 1.0, is_newcomer=True) == pytest.approx(1.0)


def test_time_without_a_queue_is_no_interval() -> None:
    rate, now = standing([1.0, 1.0])
    rate.queue_emptied()
    rate.admitted(now + 1_000.0, is_newcomer=True)
    assert rate.expected_wait_s(1, now=now + 1_000.0) == pytest.approx(1.0)
    rate.queue_stands(now + 2_000.0)
    rate.admitted(now + 2_001.0, is_newcomer=True)
    assert rate.expected_wait_s(1, now=now + 2_001.0) == pytest.approx(1.0)


def test_sessions_that_need_not_wait_say_nothing_about_the_queue() -> None:
    rate = AdmissionRate()
    for now in (0.0, 0.0, 0.1, 0.2):
        rate.admitted(now, is_newcomer=True)
        rate.queue_emptied()
    assert rate.expected_wait_s(1, now=0.2) == AdmissionRate.UNKNOWN_WAIT_S
