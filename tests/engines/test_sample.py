from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.engines.sample import (
    MIN_QUERIED_TOKENS,
    EngineSample,
    IntervalRates,
    SignalRates,
    without_errors,
)

FIRST = EngineSample(
    at=100.0,
    kind="vllm",
    kv_usage=0.4,
    running=3,
    waiting=1,
    capacity_tokens=8192,
    prefix_queries=1_000_000.0,
    prefix_hits=900_000.0,
    preemptions=7.0,
    evicted_tokens=50.0,
    started_at=1000.0,
)


def after(*samples: EngineSample) -> IntervalRates:
    rates = SignalRates()
    return [rates.advance(sample) for sample in samples][-1]


def test_the_first_sample_has_gauges_and_no_rates() -> None:
    assert after(FIRST) == IntervalRates(now=100.0, kv_usage=0.4, running=3, waiting=1, capacity_tokens=8192)


def test_rates_are_the_differences_of_two_samples() -> None:
    second = replace(
        FIRST,
        at=101.5,
        kv_usage=0.6,
        running=4,
        waiting=0,
        prefix_queries=1_000_400.0,
        prefix_hits=900_100.0,
        preemptions=9.0,
        evicted_tokens=80.0,
    )
    assert after(FIRST, second) == IntervalRates(
        now=101.5,
        interval_s=1.5,
        kv_usage=0.6,
        hit_rate=0.25,
        hit_tokens=100.0,
        prefilled_tokens=300.0,
        preemptions=2.0,
        evicted_tokens=30.0,
        running=4,
        waiting=0,
        capacity_tokens=8192,
    )


def test_the_hit_rate_is_the_intervals_and_not_the_lifetimes() -> None:
    # 90 % over its life, but nothing of what was looked up in this interval.
    assert after(FIRST, replace(FIRST, at=101.0, prefix_queries=1_001_000.0)).hit_rate == 0.0


def test_without_lookups_the_hit_rate_is_unknown() -> None:
    rates = after(FIRST, replace(FIRST, at=101.0))
    assert rates.hit_rate is None
    assert rates.preemptions == 0.0


@pytest.mark.parametrize(("queried", "rate"), [(MIN_QUERIED_TOKENS - 1, None), (MIN_QUERIED_TOKENS, 0.5)])
def test_a_few_tokens_tell_no_hit_rate(queried: int, rate: float | None) -> None:
    second = replace(
        FIRST, prefix_queries=1_000_000.0 + queried, prefix_hits=900_000.0 + MIN_QUERIED_TOKENS / 2, at=101.0
    )
    assert after(FIRST, second).hit_rate == rate


def test_counters_that_are_not_read_at_one_instant_give_no_rate_over_one() -> None:
    assert after(FIRST, replace(FIRST, at=101.0, prefix_queries=1_000_100.0, prefix_hits=900_116.0)).hit_rate == 1.0


@pytest.mark.parametrize(
    "second",
    [
        replace(FIRST, at=101.0, prefix_queries=3.0),
        replace(FIRST, at=101.0, prefix_hits=3.0),
        replace(FIRST, at=101.0, preemptions=3.0),
        replace(FIRST, at=101.0, evicted_tokens=3.0),
    ],
)
def test_a_counter_that_fell_is_a_restart(second: EngineSample) -> None:
    rates = after(FIRST, second)
    assert rates.restarted
    assert rates.hit_rate is rates.preemptions is rates.evicted_tokens is None


def test_another_process_start_is_a_restart_although_all_counters_grew() -> None:
    second = replace(FIRST, at=160.0, started_at=1050.0, prefix_queries=2_000_000.0, prefix_hits=900_001.0)
    rates = after(FIRST, second)
    assert rates.restarted
    assert rates.hit_rate is None


def test_another_engine_kind_at_the_address_is_a_restart() -> None:
    assert after(FIRST, replace(FIRST, at=101.0, kind="sglang", started_at=None)).restarted


def test_a_process_start_that_is_not_exported_is_no_restart() -> None:
    hidden = replace(FIRST, at=101.0, started_at=None)
    assert not after(FIRST, hidden).restarted
    assert not after(hidden, replace(FIRST, at=102.0)).restarted


def test_rates_go_on_from_the_first_sample_after_a_restart() -> None:
    fresh = replace(FIRST, at=101.0, started_at=1001.0, prefix_queries=0.0, prefix_hits=0.0, preemptions=0.0)
    rates = after(FIRST, fresh, replace(fresh, at=102.0, prefix_queries=100.0, prefix_hits=40.0))
    assert not rates.restarted
    assert (rates.hit_rate, rates.preemptions) == (0.4, 0.0)


def test_capacity_is_kept_until_a_restart_and_then_read_again() -> None:
    unknown = replace(FIRST, at=101.0, capacity_tokens=None)
    assert after(FIRST, unknown).capacity_tokens == 8192
    restarted = replace(unknown, at=102.0, started_at=1001.0)
    assert after(FIRST, unknown, restarted).capacity_tokens is None
    known = replace(restarted, at=103.0, capacity_tokens=4096)
    assert after(FIRST, unknown, restarted, known).capacity_tokens == 4096


def test_a_capacity_learned_late_is_taken() -> None:
    assert after(replace(FIRST, capacity_tokens=None), replace(FIRST, at=101.0)).capacity_tokens == 8192


def test_a_counter_that_appears_has_no_rate_yet() -> None:
    absent = replace(FIRST, prefix_queries=None, prefix_hits=None)
    assert after(absent, replace(FIRST, at=101.0)).hit_rate is None


def test_what_is_unknown_stays_unknown() -> None:
    nothing = EngineSample(at=1.0, kind="vllm")
    assert after(nothing, replace(nothing, at=2.0)) == IntervalRates(now=2.0, interval_s=1.0)


counters = st.none() | st.floats(0, 1e12)
samples = st.builds(
    EngineSample,
    at=st.just(0.0),
    kind=st.sampled_from(["vllm", "sglang"]),
    prefix_queries=counters,
    prefix_hits=counters,
    preemptions=counters,
    evicted_tokens=counters,
    started_at=st.none() | st.sampled_from([1.0, 2.0]),
)


@given(st.lists(samples, min_size=1, max_size=8))
def test_no_rate_is_negative_and_no_share_is_over_one(drawn: list[EngineSample]) -> None:
    rates = SignalRates()
    for number, sample in enumerate(drawn):
        now = rates.advance(replace(sample, at=float(number)))
        assert now.hit_rate is None or 0 <= now.hit_rate <= 1
        assert now.preemptions is None or now.preemptions >= 0
        assert now.evicted_tokens is None or now.evicted_tokens >= 0


def test_what_single_requests_took_for_their_prompts_tells_the_prefill_rate_at_once() -> None:
    first = replace(FIRST, computed_tokens=1_000.0, computing_s=10.0)
    rates = after(first, replace(first, at=101.0, computed_tokens=3_000.0, computing_s=10.5))
    assert rates.prefill_tokens_s == pytest.approx(4_000.0)


def test_what_another_cache_gave_tells_how_fast_the_engine_reloads() -> None:
    first = replace(FIRST, reloaded_tokens=1_000.0)
    rates = after(first, replace(first, at=102.0, reloaded_tokens=9_000.0))
    assert (rates.reloaded_tokens, rates.reload_tokens_s) == (8_000.0, 4_000.0)
    assert after(FIRST, replace(FIRST, at=102.0)).reload_tokens_s is None


def test_a_counter_of_hits_that_never_counted_is_not_believed() -> None:
    first = replace(FIRST, prefix_queries=10_000.0, prefix_hits=0.0)
    silent = after(first, replace(first, at=101.0, prefix_queries=12_000.0))
    assert (silent.hit_rate, silent.hit_tokens, silent.prefilled_tokens) == (None, None, 2_000.0)
    counted = after(first, replace(first, at=101.0, prefix_queries=12_000.0, prefix_hits=500.0))
    assert (counted.hit_rate, counted.hit_tokens, counted.prefilled_tokens) == (0.25, 500.0, 1_500.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kv_usage", -5.0),
        ("kv_usage", 65.0),
        ("running", -3),
        ("running", 10**300),
        ("waiting", -1),
        ("capacity_tokens", -8_192),
        ("capacity_tokens", 0),
        ("capacity_tokens", 10**20),
        ("prefix_queries", -1.0),
        ("prefix_hits", 1e300),
        ("preemptions", -1.0),
        ("computing_s", -0.5),
    ],
)
def test_a_value_that_cannot_be_true_is_unknown_and_counted(name: str, value: float) -> None:
    broken: dict[str, Any] = {name: value}
    sample, dropped = without_errors(replace(FIRST, **broken))
    assert getattr(sample, name) is None
    assert dropped == 1
    rates = after(FIRST, replace(FIRST, at=101.0, **broken))
    assert (rates.dropped, rates.restarted) == (1, False)
    known = after(FIRST, replace(FIRST, at=101.0, **broken), replace(FIRST, at=102.0))
    assert (known.dropped, known.restarted, known.capacity_tokens) == (0, False, 8192)


def test_one_counter_that_falls_while_others_grow_is_no_restart_if_the_process_is_the_same() -> None:
    """Several API servers add up their counters, and one of them may be gone."""
    second = replace(FIRST, at=101.0, prefix_queries=1_000_000.0 + 1_000.0, prefix_hits=5.0)
    rates = after(FIRST, second)
    assert (rates.restarted, rates.dropped, rates.hit_rate) == (False, 1, None)
    unknown_start = after(replace(FIRST, started_at=None), replace(second, started_at=None))
    assert unknown_start.restarted


def test_a_counter_that_jumps_further_than_any_engine_can_compute_is_not_believed() -> None:
    jumped = replace(FIRST, at=101.0, prefix_queries=1_000_000.0 + 1e15)
    rates = after(FIRST, jumped)
    assert (rates.dropped, rates.prefilled_tokens, rates.prefill_tokens_s) == (1, None, None)
    back = after(FIRST, jumped, replace(FIRST, at=102.0, prefix_queries=1_000_000.0 + 500.0))
    assert (back.dropped, back.restarted) == (0, False)
