"""The last hour in points of 5 s."""

import pytest

from concur_proxy.admin.history import ALL, POINTS, SERIES, STEP_S, History, Reading

HOUR = 3600.0


def reading(**values: float | None) -> Reading:
    return {**dict.fromkeys(SERIES), **values}


def test_gauges_are_kept_and_counters_become_rates() -> None:
    history = History(now=0)
    history.record({"a": reading(waiting=2, computed_tokens=100)}, now=0)
    history.record({"a": reading(waiting=3, computed_tokens=600)}, now=5)
    series = history.series("a", points=3)
    assert series is not None
    assert series["waiting"] == [None, 2, 3]
    assert series["computed_tokens"] == [None, None, 100]
    assert series["kv_usage"] == [None, None, None]


def test_all_engines_together_are_a_sum_and_usage_a_mean_of_what_is_known() -> None:
    history = History(now=0)
    history.record({"a": reading(waiting=2, kv_usage=0.5), "b": reading(waiting=1, kv_usage=1.0)}, now=0)
    history.record({"a": reading(waiting=2, kv_usage=0.5), "b": reading()}, now=5)
    series = history.series(ALL, points=2)
    assert series is not None
    assert series["waiting"] == [3, 2]
    assert series["kv_usage"] == [0.75, 0.5]


def test_a_late_reading_leaves_no_hole_and_a_long_silence_does() -> None:
    history = History(now=0)
    for now, waiting in ((0, 1), (11, 2), (40, 3)):
        history.record({"a": reading(waiting=waiting)}, now=now)
    series = history.series("a", points=9)
    assert series is not None
    assert series["waiting"] == [1, 2, 2, None, None, None, None, None, 3]


def test_an_hour_is_kept_and_no_more() -> None:
    history = History(now=0)
    for step in range(POINTS + 100):
        history.record({"a": reading(waiting=step)}, now=step * STEP_S)
    series = history.series("a", points=10_000)
    assert series is not None
    assert series["waiting"] == list(range(100, POINTS + 100))


def test_a_counter_that_begins_again_is_no_negative_rate() -> None:
    history = History(now=0)
    for step, total in enumerate((100, 600, 0, 50)):
        history.record({"a": reading(cached_tokens=total)}, now=step * STEP_S)
    series = history.series("a", points=3)
    assert series is not None
    assert series["cached_tokens"] == [100, 0, 10]
    assert history.saved(now=20)[0] == 550


def test_the_present_rate_is_the_mean_of_half_a_minute() -> None:
    history = History(now=0)
    assert history.rate("cached_tokens") is None
    for step in range(10):
        history.record({"a": reading(cached_tokens=1000 * step if step < 9 else 8000)}, now=step * STEP_S)
    assert history.rate("cached_tokens") == pytest.approx(1000 / STEP_S * 5 / 6)
    assert history.rate("recomputed_tokens") is None


def test_what_was_saved_covers_a_day() -> None:
    history = History(now=0)
    for hour in range(30):
        history.record({"a": reading(cached_tokens=hour * 10)}, now=hour * HOUR)
    tokens, seconds = history.saved(now=29 * HOUR + 1800)
    assert tokens == 240
    assert seconds == 23.5 * HOUR
    assert History(now=100).saved(now=160) == (0, 60)


def test_an_engine_that_is_removed_is_forgotten_and_an_unknown_one_has_no_series() -> None:
    history = History(now=0)
    assert history.series(ALL, points=5) is None
    history.record({"a": reading(waiting=1), "b": reading(waiting=1)}, now=0)
    history.record({"b": reading(waiting=1)}, now=5)
    assert history.series("a", points=5) is None
    assert history.series("b", points=1) is not None
    assert history.age_s(now=7) == 2
