"""Signals of one engine from several pages of metrics."""

from dataclasses import replace

import pytest

from concur_proxy.engines.pages import MetricsPage, PageReading, Role, combine, parse_page
from concur_proxy.engines.sample import EngineSample, IntervalRates

PREFILL_RATES = IntervalRates(
    now=5.0,
    interval_s=1.0,
    kv_usage=0.2,
    running=1,
    waiting=6,
    capacity_tokens=40_000,
    hit_rate=0.75,
    hit_tokens=300.0,
    prefilled_tokens=100.0,
    prefill_tokens_s=9_000.0,
    preemptions=1.0,
    evicted_tokens=10.0,
)
DECODE_RATES = replace(
    PREFILL_RATES,
    kv_usage=0.9,
    running=20,
    waiting=2,
    capacity_tokens=90_000,
    hit_tokens=400.0,
    prefilled_tokens=0.0,
    prefill_tokens_s=50.0,
    preemptions=3.0,
    evicted_tokens=70.0,
    restarted=True,
)


def reading(role: Role, rates: IntervalRates, *, ranks: int = 1, kind: str = "vllm") -> PageReading:
    sample = EngineSample(
        at=rates.now,
        kind=kind,
        kv_usage=rates.kv_usage,
        running=rates.running,
        waiting=rates.waiting,
        capacity_tokens=rates.capacity_tokens,
        ranks=ranks,
    )
    return PageReading(role=role, rates=rates, sample=sample)


def test_of_a_disaggregated_pair_only_the_prefill_side_shows_what_was_computed_again() -> None:
    """The decode side got all of its 400 tokens from the prefill side, which computed 100 of them."""
    rates, sample = combine(
        [reading(Role.DECODE, DECODE_RATES, ranks=4), reading(Role.PREFILL, PREFILL_RATES, ranks=2)]
    )
    assert (rates.hit_tokens, rates.prefilled_tokens, rates.hit_rate) == (300.0, 100.0, 0.75)
    assert (rates.prefill_tokens_s, rates.evicted_tokens, rates.restarted) == (9_000.0, 10.0, False)
    assert (rates.running, rates.waiting, rates.preemptions) == (21, 8, 4.0)
    assert (rates.kv_usage, rates.capacity_tokens) == (0.9, 40_000)
    assert (sample.kind, sample.ranks, sample.is_disaggregated) == ("vllm", 2, True)


def test_the_smaller_side_is_the_capacity_and_servers_of_one_side_add_up() -> None:
    small = replace(DECODE_RATES, capacity_tokens=10_000)
    rates, sample = combine(
        [reading(Role.PREFILL, PREFILL_RATES), reading(Role.DECODE, small), reading(Role.DECODE, small)]
    )
    assert (rates.capacity_tokens, sample.capacity_tokens, sample.ranks) == (20_000, 20_000, 2)


def test_servers_behind_a_router_count_like_data_parallel_ranks() -> None:
    other = replace(PREFILL_RATES, kv_usage=0.5, hit_tokens=None, prefilled_tokens=200.0, restarted=True)
    rates, sample = combine([reading(Role.WHOLE, PREFILL_RATES), reading(Role.WHOLE, other)])
    assert (rates.running, rates.waiting, rates.capacity_tokens, rates.kv_usage) == (2, 12, 80_000, 0.5)
    assert (rates.hit_tokens, rates.prefilled_tokens, rates.hit_rate) == (300.0, 300.0, 0.5)
    assert (rates.prefill_tokens_s, rates.restarted, sample.is_disaggregated) == (18_000.0, True, False)


def test_an_unknown_size_of_one_server_is_not_a_size_of_nothing() -> None:
    unknown = replace(PREFILL_RATES, capacity_tokens=None)
    rates, _ = combine([reading(Role.WHOLE, PREFILL_RATES), reading(Role.WHOLE, unknown)])
    assert rates.capacity_tokens is None
    rates, _ = combine([reading(Role.PREFILL, unknown), reading(Role.DECODE, DECODE_RATES)])
    assert rates.capacity_tokens is None


def test_a_page_without_this_rank_does_not_count() -> None:
    nothing = IntervalRates(now=6.0)
    own = reading(Role.WHOLE, PREFILL_RATES)
    rates, _ = combine([reading(Role.WHOLE, nothing), own])
    assert rates == PREFILL_RATES
    rates, _ = combine([reading(Role.WHOLE, nothing), reading(Role.WHOLE, nothing)])
    assert (rates.kv_usage, rates.running, rates.hit_rate, rates.capacity_tokens) == (None, None, None, None)


def test_a_single_page_is_taken_as_it_is() -> None:
    own = reading(Role.WHOLE, PREFILL_RATES)
    assert combine([own]) == (own.rates, own.sample)


def test_too_few_tokens_make_no_hit_rate() -> None:
    few = replace(PREFILL_RATES, hit_tokens=10.0, prefilled_tokens=5.0)
    rates, _ = combine([reading(Role.PREFILL, few), reading(Role.DECODE, DECODE_RATES)])
    assert (rates.hit_rate, rates.hit_tokens) == (None, 10.0)


def test_the_text_of_a_page() -> None:
    assert parse_page("http://gpu:8000/metrics") == MetricsPage(url="http://gpu:8000/metrics")
    assert parse_page("https://gpu/m?job=a#decode") == MetricsPage(url="https://gpu/m?job=a", role=Role.DECODE)
    for text in (
        "gpu:8000/metrics",
        "http://user:secret@gpu/metrics",
        "http://gpu/a b",
        "http://gpu/m?a b",
        "http://gpu/é",
    ):
        with pytest.raises(ValueError, match="must be the URL of a page of metrics"):
            parse_page(text)
    for text in ("http://gpu/metrics#", "http://gpu/metrics#both"):
        with pytest.raises(ValueError, match="prefill or decode"):
            parse_page(text)
