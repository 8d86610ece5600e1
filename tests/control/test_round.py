"""What a law measures in a round."""

import pytest

from concur_proxy.control.round import Round
from concur_proxy.control.signal import CongestionSignal


def counted(*signals: CongestionSignal) -> Round:
    """A round that has seen these signals."""
    measured = Round()
    for signal in signals:
        measured.count(signal)
    return measured


def busy(now: float, **figures: float) -> CongestionSignal:
    return CongestionSignal(now=now, running=1, waiting=0, in_flight=1, **figures)  # type: ignore[arg-type]


def test_a_new_round_has_measured_nothing() -> None:
    measured = counted(
        busy(0.0), busy(10.0, prefilled_tokens=900, promised_tokens=600, hit_tokens=500, reloaded_tokens=70)
    )
    measured.restart()
    assert (measured.prefilled, measured.promised, measured.covered, measured.reloaded) == (0, 0, 0, 0)
    assert measured.share_lost is None
    measured.count(busy(20.0, prefilled_tokens=100, promised_tokens=400, told_tokens=400, lost_tokens=40))
    assert (measured.prefilled, measured.promised, measured.covered) == (100, 400, 400)
    assert measured.share_lost == pytest.approx(0.1)
    assert measured.time_prefilling(50.0) == pytest.approx(0.2)


def test_what_several_sessions_share_is_covered_once() -> None:
    measured = counted(busy(0.0, promised_tokens=400, footprint_tokens=300.0, separate_tokens=600.0))
    assert (measured.promised, measured.covered) == (400, 200)


def test_a_loss_counts_as_the_time_of_its_computation_less_the_time_without_work() -> None:
    idle = CongestionSignal(now=20.0, running=0, waiting=0)
    measured = counted(
        busy(0.0), busy(10.0, prefilled_tokens=500, told_tokens=100, lost_tokens=50, promised_tokens=800), idle
    )
    assert measured.is_idle_now
    assert measured.time_lost(100.0) == pytest.approx(0.0)  # 4 s of 20 s are lost, 10 s are idle
    assert measured.time_lost(25.0) == pytest.approx(0.8 - 0.5)  # 400 tokens at 25 a second
    assert measured.time_lost(None) is None
    assert measured.time_to_compute(250, 50.0) == pytest.approx(0.5)


def test_no_more_is_lost_than_was_computed() -> None:
    measured = counted(
        busy(0.0), busy(10.0, prefilled_tokens=100, told_tokens=100, lost_tokens=100, promised_tokens=800)
    )
    assert measured.time_lost(100.0) == pytest.approx(0.1)
