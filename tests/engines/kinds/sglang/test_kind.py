import pytest

from concur_proxy.engines.exposition import read_exposition
from concur_proxy.engines.kinds.sglang import build
from concur_proxy.engines.sample import EngineSample
from tests.captures import capture

LABELS = 'engine_type="unified",model_name="tiny",moe_ep_rank="0",pp_rank="0",tp_rank="0"'


def sample(*lines: str) -> EngineSample:
    kind = build()
    return kind.read(read_exposition("\n".join(lines), kind.wants), at=5.0)


def test_the_capture_is_read_as_a_person_reads_it() -> None:
    assert sample(capture("sglang")) == EngineSample(
        at=5.0,
        kind="sglang",
        kv_usage=0.0,  # the gauge says 0.34, which its last batch left behind: nothing runs or waits
        running=0,
        waiting=0,
        capacity_tokens=6144,
        prefix_queries=283739.0 + 348057.0,
        prefix_hits=348057.0,
        reloaded_tokens=0.0,
        preemptions=0.0,
        evicted_tokens=256513.0,
        started_at=None,
        ranks=1,
    )


def test_the_capture_with_work_to_do_is_read_likewise() -> None:
    text = (
        capture("sglang")
        .replace(f"sglang:num_running_reqs{{{LABELS}}} 0.0", f"sglang:num_running_reqs{{{LABELS}}} 4.0")
        .replace(f"sglang:num_queue_reqs{{{LABELS}}} 0.0", f"sglang:num_queue_reqs{{{LABELS}}} 7.0")
    )
    read = sample(text, "sglang:num_retracted_requests_total 3.0")
    assert (read.kv_usage, read.running, read.waiting, read.preemptions) == (0.34, 4, 7, 3.0)


@pytest.mark.parametrize(
    ("running", "waiting", "usage"), [("0", "0", 0.0), ("1", "0", 0.34), ("0", "1", 0.34), (None, "0", 0.34)]
)
def test_usage_counts_only_while_something_runs_or_waits(running: str | None, waiting: str, usage: float) -> None:
    lines = ["sglang:token_usage 0.34", f"sglang:num_queue_reqs {waiting}"]
    if running is not None:
        lines.append(f"sglang:num_running_reqs {running}")
    assert sample(*lines).kv_usage == usage


def test_an_idle_rank_does_not_lend_its_stale_usage_to_a_busy_one() -> None:
    read = sample(
        'sglang:token_usage{dp_rank="0"} 0.8',
        'sglang:num_running_reqs{dp_rank="0"} 0',
        'sglang:num_queue_reqs{dp_rank="0"} 0',
        'sglang:token_usage{dp_rank="1"} 0.3',
        'sglang:num_running_reqs{dp_rank="1"} 2',
        'sglang:num_queue_reqs{dp_rank="1"} 0',
    )
    assert (read.kv_usage, read.running, read.ranks) == (0.3, 2, 2)


@pytest.mark.parametrize("running", ["num_running_reqs", "num_requests_running"])
@pytest.mark.parametrize("waiting", ["num_queue_reqs", "num_requests_waiting"])
@pytest.mark.parametrize("prefix", ["sglang:", "sglang_"])
def test_every_name_that_a_signal_has_had_is_read(running: str, waiting: str, prefix: str) -> None:
    read = sample(
        f"{prefix}token_usage 4.2e-05",
        f"{prefix}{running} 3",
        f"{prefix}{waiting} 2",
        f"{prefix}max_total_num_tokens 6144",
        f'{prefix}realtime_tokens_total{{mode="prefill_cache"}} 30',
        f'{prefix}realtime_tokens_total{{mode="prefill_compute"}} 70',
        f'{prefix}realtime_tokens_total{{mode="decode"}} 999',
        f"{prefix}num_retracted_requests_total 4",
        f"{prefix}evicted_tokens_total 5",
    )
    assert read == EngineSample(
        at=5.0,
        kind="sglang",
        kv_usage=0.000042,
        running=3,
        waiting=2,
        capacity_tokens=6144,
        prefix_queries=100.0,
        prefix_hits=30.0,
        preemptions=4.0,
        evicted_tokens=5.0,
    )


def test_hits_of_every_tier_count_as_found() -> None:
    name = "sglang:prefill_effective_tokens_total"
    modes = {"input": 100, "device_hit": 50, "host_hit": 20, "storage_hit": 5}
    read = sample(*(f'{name}{{mode="{mode}"}} {tokens}' for mode, tokens in modes.items()))
    assert (read.prefix_hits, read.prefix_queries, read.reloaded_tokens) == (75.0, 175.0, 25.0)


def test_before_any_hit_the_hits_are_zero() -> None:
    read = sample('sglang:prefill_effective_tokens_total{mode="input"} 100')
    assert (read.prefix_hits, read.prefix_queries) == (0.0, 100.0)


def test_of_an_old_version_the_parts_of_the_prompt_counters_are_added() -> None:
    read = sample(
        'sglang:prompt_tokens_total{is_streaming="false",model_name="m"} 600',
        'sglang:prompt_tokens_total{is_streaming="true",model_name="m"} 400',
        'sglang:cached_tokens_total{cache_source="device",model_name="m"} 200',
        'sglang:cached_tokens_total{cache_source="host",model_name="m"} 100',
    )
    assert (read.prefix_hits, read.prefix_queries) == (300.0, 1000.0)
    assert sample("sglang:prompt_tokens_total 600").prefix_hits == 0.0


def test_the_hit_rate_of_the_last_batch_is_not_used() -> None:
    read = sample("sglang:cache_hit_rate 0.9", "sglang:num_running_reqs 1")
    assert read.prefix_hits is read.prefix_queries is None


def test_counters_without_an_event_are_zero_and_the_last_batchs_gauge_is_none_of_them() -> None:
    read = sample("sglang:num_running_reqs 1", 'sglang:num_retracted_reqs{pid="8944"} 3')
    assert (read.preemptions, read.evicted_tokens) == (0.0, 0.0)


def test_data_parallel_ranks_are_added_and_tensor_parallel_workers_are_not() -> None:
    names = ("num_running_reqs", "num_queue_reqs", "max_total_num_tokens", "num_retracted_requests_total")
    read = sample(
        *(
            f'sglang:{name}{{dp_rank="{dp}",tp_rank="{tp}",pp_rank="{pp}"}} {10 * (dp + 1)}'
            for name in names
            for dp in range(2)
            for tp in range(4)
            for pp in range(2)
        ),
        'sglang:token_usage{dp_rank="0",tp_rank="0"} 0.2',
        'sglang:token_usage{dp_rank="1",tp_rank="0"} 0.6',
    )
    assert (read.running, read.waiting, read.capacity_tokens, read.preemptions) == (30, 30, 30, 30.0)
    assert (read.kv_usage, read.ranks) == (0.6, 2)


def test_a_priority_breakdown_is_not_added_to_its_total() -> None:
    read = sample(
        'sglang:num_queue_reqs{priority=""} 5',
        'sglang:num_queue_reqs{priority="0"} 2',
        'sglang:num_queue_reqs{priority="1"} 3',
    )
    assert read.waiting == 5


@pytest.mark.parametrize("capacity", ["0", "NaN"])
def test_a_capacity_that_is_no_size_is_unknown(capacity: str) -> None:
    assert sample("sglang:num_running_reqs 1", f"sglang:max_total_num_tokens {capacity}").capacity_tokens is None
