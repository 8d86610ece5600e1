import pytest

from concur_proxy.admission.scheduler import AdmissionRate


def test_a_queue_from_which_nobody_has_left_gets_a_guess_times_the_place() -> None:
    rate = AdmissionRate()
    assert rate.expected_wait_s(1, now=0.0) == AdmissionRate.UNKNOWN_WAIT_S
    assert rate.expected_wait_s(3, now=0.0) == 3 * AdmissionRate.UNKNOWN_WAIT_S


def test_the_wait_is_the_place_times_the_interval_between_admissions() -> None:
    rate = AdmissionRate()
    for now in (0.0, 2.0, 4.0, 6.0):
        rate.admitted(now)
    assert rate.expected_wait_s(1, now=6.0) == pytest.approx(2.0)
    assert rate.expected_wait_s(10, now=6.0) == pytest.approx(20.0)


def test_newer_intervals_move_the_average() -> None:
    rate = AdmissionRate()
    rate.admitted(0.0)
    rate.admitted(1.0)
    rate.admitted(11.0)
    assert rate.expected_wait_s(1, now=11.0) == pytest.approx(1.0 + AdmissionRate.SMOOTHING * 9.0)


def test_a_stalled_queue_says_so() -> None:
    rate = AdmissionRate()
    rate.admitted(0.0)
    assert rate.expected_wait_s(1, now=60.0) == 60.0
    rate.admitted(61.0)
    rate.admitted(62.0)
    calm = rate.expected_wait_s(1, now=62.0)
    assert rate.expected_wait_s(1, now=62.0 + 10 * calm) > calm


def test_time_without_a_queue_is_no_interval() -> None:
    rate = AdmissionRate()
    rate.admitted(0.0)
    rate.admitted(1.0)
    rate.queue_emptied()
    rate.admitted(1_000.0)
    assert rate.expected_wait_s(1, now=1_000.0) == pytest.approx(1.0)
