import pytest

from concur_proxy.control.round import Round
from concur_proxy.control.second_cache import (
    HALF_IDLE,
    MOSTLY_IDLE,
    NEWEST,
    RELOAD_FAST,
    RELOAD_GROWTH,
    TRIAL_GROWTH,
    TRIAL_LEAST_S,
    TRIAL_PAUSE,
    TRIAL_RELOADED,
    TRIAL_SPEED,
    WORSE,
    SecondCache,
)
from concur_proxy.control.signal import CongestionSignal

RATE = 1_000.0


def _round(
    *,
    served: float = 100.0,
    seconds: float = 10.0,
    usage: float | None = 0.0,
    reloaded: float = 1.0,
    late: bool = False,
) -> Round:
    """A round in which so many prompt tokens were served per second."""
    this = Round()
    this.count(CongestionSignal(now=0.0))
    this.count(
        CongestionSignal(
            now=seconds,
            hit_tokens=served * seconds,
            prefilled_tokens=0.0,
            kv_usage=usage,
            gauges_are_late=late,
            reloaded_tokens=reloaded,
        )
    )
    return this


def _signal(speed: float | None) -> CongestionSignal:
    """A signal of an engine that has reloaded so many times as fast as it computes."""
    return CongestionSignal(now=0.0, prefill_tokens_s=RATE, reload_tokens_s=None if speed is None else speed * RATE)


SLOW, FAST = _signal(RELOAD_FAST), _signal(1.01 * RELOAD_FAST)
BUSY = HALF_IDLE


def test_fast_reloading_is_worth_a_larger_window() -> None:
    assert SecondCache().raised(_round(usage=BUSY), FAST, 0.9) == pytest.approx(0.9 * RELOAD_GROWTH)
    assert SecondCache().raised(_round(usage=BUSY), SLOW, 0.9) is None
    assert SecondCache().raised(_round(usage=BUSY), _signal(None), 0.9) is None
    assert SecondCache().raised(_round(usage=BUSY, reloaded=0.0), FAST, 0.9) is None


@pytest.mark.parametrize(
    ("usage", "reloaded", "late"), [(BUSY, 900.0, 0), (None, 900.0, 0), (0.0, 0.0, 0), (0.0, 900.0, 1)]
)
def test_a_trial_needs_another_cache_and_a_gauge_that_shows_room(
    usage: float | None, reloaded: float, late: float
) -> None:
    this = _round(usage=usage, reloaded=reloaded, late=bool(late))
    assert SecondCache().raised(this, SLOW, 0.9) is None


@pytest.mark.parametrize(
    ("served", "reloaded", "usage", "begins"),
    [
        # everything could be reloaded in 59 % of the time, and requests use 40 % of the cache
        (0.59 * TRIAL_SPEED * RATE, 0.06, 0.4, 1),
        (0.61 * TRIAL_SPEED * RATE, 0.06, 0.4, 0),
        (0.4 * TRIAL_SPEED * RATE, 0.06, 0.99 * HALF_IDLE, 1),
        (0.4 * TRIAL_SPEED * RATE, 0.06, HALF_IDLE, 0),
        (0.4 * TRIAL_SPEED * RATE, TRIAL_RELOADED, 0.4, 0),
        (0.4 * TRIAL_SPEED * RATE, 0.04, 0.99 * MOSTLY_IDLE, 1),
        (9.9 * TRIAL_SPEED * RATE, 0.04, 0.99 * MOSTLY_IDLE, 1),
    ],
)
def test_a_trial_begins_where_it_has_much_to_win_or_little_to_lose(
    served: float, reloaded: float, usage: float, begins: float
) -> None:
    this = _round(served=served, seconds=10.0, usage=usage, reloaded=reloaded * served * 10.0)
    assert (SecondCache().raised(this, SLOW, 1.0) is not None) == bool(begins)


def test_a_trial_is_compared_with_the_rounds_before_it_if_the_last_one_was_a_poor_one() -> None:
    second = SecondCache()
    second.raised(_round(served=100.0, usage=BUSY), SLOW, 1.0)
    second.raised(_round(served=50.0), SLOW, 1.0)
    usual = 100.0 - NEWEST * 50.0
    assert second.fails(_round(served=usual)) is None
    assert second.fails(_round(served=1.01 * WORSE * usual)) is None
    assert second.fails(_round(served=0.99 * WORSE * usual)) == 1.0


def test_a_round_that_is_too_short_shows_no_room() -> None:
    assert SecondCache().raised(_round(seconds=0.99 * TRIAL_LEAST_S), SLOW, 0.9) is None


def test_a_trial_that_shows_fast_reloading_grows_faster_and_can_still_fail() -> None:
    second = SecondCache()
    second.raised(_round(), SLOW, 1.0)
    assert second.raised(_round(usage=BUSY), FAST, 2.0) == pytest.approx(2.0 * RELOAD_GROWTH)
    assert second.fails(_round(served=1.0)) == 1.0


def test_growth_because_of_fast_reloading_is_no_trial() -> None:
    second = SecondCache()
    second.raised(_round(), FAST, 1.0)
    assert second.fails(_round(served=1.0)) is None


def test_a_trial_goes_on_while_as_much_is_served_however_full_the_batch_is() -> None:
    second = SecondCache()
    assert second.raised(_round(served=100.0), SLOW, 1.0) == TRIAL_GROWTH
    well = _round(served=WORSE * 100.0, usage=1.0)
    assert second.fails(well) is None
    assert second.raised(well, SLOW, TRIAL_GROWTH) == pytest.approx(TRIAL_GROWTH**2)
    # all its rounds are compared with the one before it, and it goes back to there
    assert second.fails(_round(served=0.99 * WORSE * 100.0)) == 1.0


@pytest.mark.parametrize(
    ("before_s", "least_s"), [(TRIAL_LEAST_S, TRIAL_LEAST_S), (4 * TRIAL_LEAST_S, TRIAL_LEAST_S), (40.0, 10.0)]
)
def test_a_trial_may_fail_as_soon_as_it_has_shown_something(before_s: float, least_s: float) -> None:
    second = SecondCache()
    second.raised(_round(seconds=before_s), SLOW, 1.0)
    assert second.fails(_round(served=1.0, seconds=0.99 * least_s)) is None
    assert second.fails(_round(served=1.0, seconds=least_s)) == 1.0


def test_after_a_failure_there_is_a_pause_from_trials_and_from_growth() -> None:
    second = SecondCache()
    second.raised(_round(), SLOW, 1.0)
    assert second.fails(_round(served=1.0)) == 1.0
    assert second.fails(_round(served=1.0)) is None
    for _ in range(TRIAL_PAUSE):
        assert second.raised(_round(), FAST, 1.0) is None
    assert second.raised(_round(), SLOW, 1.0) == TRIAL_GROWTH


def test_a_trial_that_ends_for_another_reason_has_not_failed() -> None:
    second = SecondCache()
    second.raised(_round(), SLOW, 1.0)
    second.end()
    assert second.fails(_round(served=1.0)) is None
    assert second.raised(_round(usage=BUSY), SLOW, 1.0) is None
    assert second.raised(_round(), SLOW, 1.0) == TRIAL_GROWTH
