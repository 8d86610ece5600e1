import pytest

from concur_proxy.engines.exposition import read_exposition
from concur_proxy.engines.kinds.vllm import build
from concur_proxy.engines.sample import EngineSample
from tests.captures import capture

RUNNING = 'vllm:num_requests_running{engine="0",model_name="m"} 2'
CONFIG = "vllm:cache_config_info"


def sample(*lines: str) -> EngineSample:
    kind = build()
    return kind.read(read_exposition("\n".join(lines), kind.wants), at=5.0)


def test_the_capture_is_read_as_a_person_reads_it() -> None:
    assert sample(capture("vllm")) == EngineSample(
        at=5.0,
        kind="vllm",
        kv_usage=0.0,
        running=0,
        waiting=0,
        capacity_tokens=8192,
        prefix_queries=196.0,
        prefix_hits=0.0,
        reloaded_tokens=0.0,
        computed_tokens=196.0,
        computing_s=0.18923241199718177,
        preemptions=0.0,
        evicted_tokens=None,
        started_at=1795521172.91,
        ranks=1,
    )


def test_the_capture_with_work_to_do_is_read_likewise() -> None:
    text = (
        capture("vllm")
        .replace('kv_cache_usage_perc{engine="0",model_name="tiny"} 0.0', 'kv_cache_usage_perc{engine="0"} 9.75e-06')
        .replace('num_requests_running{engine="0",model_name="tiny"} 0.0', 'num_requests_running{engine="0"} 3.0')
        .replace('num_requests_waiting{engine="0",model_name="tiny"} 0.0', 'num_requests_waiting{engine="0"} 12.0')
        .replace(':prefix_cache_hits_total{engine="0",model_name="tiny"} 0.0', ":prefix_cache_hits_total 64.0")
        .replace('num_preemptions_total{engine="0",model_name="tiny"} 0.0', 'num_preemptions_total{engine="0"} 5.0')
    )
    read = sample(text)
    assert (read.kv_usage, read.running, read.waiting) == (0.00000975, 3, 12)
    assert (read.prefix_hits, read.preemptions) == (64.0, 5.0)


def test_the_other_caches_of_the_same_server_are_not_the_prefix_cache() -> None:
    read = sample("vllm:external_prefix_cache_queries_total 5", "vllm:mm_cache_hits_total 6", RUNNING)
    assert read.prefix_queries is read.prefix_hits is None


def test_hits_in_a_cache_behind_the_gpus_are_hits() -> None:
    read = sample(
        'vllm:prefix_cache_queries_total{engine="0"} 1000',
        'vllm:prefix_cache_hits_total{engine="0"} 100',
        'vllm:external_prefix_cache_queries_total{engine="0"} 900',
        'vllm:external_prefix_cache_hits_total{engine="0"} 640',
    )
    assert (read.prefix_queries, read.prefix_hits, read.reloaded_tokens) == (1000.0, 740.0, 640.0)


@pytest.mark.parametrize(
    ("unit", "config", "counts"),
    [
        ("blocks", f'{CONFIG}{{engine="0",num_gpu_blocks="100",block_size="16"}} 1', (16_000.0, 4_000.0)),
        ("tokens", f'{CONFIG}{{engine="0",num_gpu_blocks="100",block_size="16"}} 1', (1_000.0, 250.0)),
        ("blocks", "", (None, None)),
    ],
)
def test_counters_of_blocks_become_tokens(unit: str, config: str, counts: tuple[float | None, float | None]) -> None:
    read = sample(
        f"# HELP vllm:gpu_prefix_cache_queries_total GPU prefix cache queries, in terms of number of queried {unit}.",
        'vllm:gpu_prefix_cache_queries_total{engine="0"} 1000',
        f"# HELP vllm:gpu_prefix_cache_hits_total GPU prefix cache hits, in terms of number of cached {unit}.",
        'vllm:gpu_prefix_cache_hits_total{engine="0"} 250',
        config,
    )
    assert (read.prefix_queries, read.prefix_hits) == counts


@pytest.mark.parametrize("suffix", ["_total", ""])
def test_the_unit_is_read_from_either_form_of_the_help_text(suffix: str) -> None:
    """OpenMetrics names a counter without `_total` there."""
    read = sample(
        f"# HELP vllm:gpu_prefix_cache_queries{suffix} In terms of number of queried blocks.",
        'vllm:gpu_prefix_cache_queries_total{engine="0"} 1000',
        'vllm:gpu_prefix_cache_hits_total{engine="0"} 250',
        f'{CONFIG}{{engine="0",num_gpu_blocks="100",block_size="16"}} 1',
    )
    assert (read.prefix_queries, read.prefix_hits) == (16_000.0, 4_000.0)


def test_old_counters_without_a_help_text_are_not_used() -> None:
    """They may be blocks. Taken for tokens, fifteen of sixteen hits would look like losses."""
    read = sample(
        'vllm:gpu_prefix_cache_queries_total{engine="0"} 1000',
        'vllm:gpu_prefix_cache_hits_total{engine="0"} 250',
        f'{CONFIG}{{engine="0",num_gpu_blocks="100",block_size="16"}} 1',
    )
    assert (read.prefix_queries, read.prefix_hits) == (None, None)


def test_several_api_servers_repeat_gauges_and_only_one_knows_each() -> None:
    pids = (301, 302, 303)
    lines = [
        line
        for rank in (0, 1)
        for pid, usage, running, blocks in zip(pids, (0.0, 0.65, 0.0), (0, 0, 7), ("None", 1000, 1000), strict=True)
        for line in (
            f'vllm:kv_cache_usage_perc{{engine="{rank}",pid="{pid}"}} {usage}',
            f'vllm:num_requests_running{{pid="{pid}",engine="{rank}"}} {running}',
            f'vllm:num_requests_waiting{{engine="{rank}",pid="{pid}"}} 0',
            f'{CONFIG}{{block_size="16",engine="{rank}",num_gpu_blocks="{blocks}",pid="{pid}"}} 1',
        )
    ]
    counters = [
        f'vllm:prefix_cache_{name}_total{{engine="{rank}"}} 400' for rank in (0, 1) for name in ("queries", "hits")
    ]
    read = sample(*lines, *counters)
    assert (read.kv_usage, read.running, read.waiting, read.ranks) == (0.65, 14, 0, 2)
    assert (read.prefix_queries, read.prefix_hits, read.capacity_tokens) == (800.0, 800.0, 32_000)


@pytest.mark.parametrize("usage", ["kv_cache_usage_perc", "gpu_cache_usage_perc"])
@pytest.mark.parametrize("counters", ["prefix_cache", "gpu_prefix_cache"])
@pytest.mark.parametrize("suffix", ["_total", ""])
@pytest.mark.parametrize("prefix", ["vllm:", "vllm_"])
def test_every_name_that_a_signal_has_had_is_read(usage: str, counters: str, suffix: str, prefix: str) -> None:
    read = sample(
        f"# HELP {prefix}{counters}_queries Looked up, in terms of number of queried tokens.",
        f'{prefix}{usage}{{engine="0"}} 4.2e-05',
        f'{prefix}{counters}_queries{suffix}{{engine="0"}} 1000',
        f'{prefix}{counters}_hits{suffix}{{engine="0"}} 250',
        f'{prefix}num_preemptions{suffix}{{engine="0"}} 3',
        f'{prefix}num_requests_running{{engine="0"}} 2',
        f'{prefix}num_requests_waiting{{engine="0"}} 1',
        f'{prefix}cache_config_info{{block_size="16",engine="0",num_gpu_blocks="100"}} 1',
    )
    assert read == EngineSample(
        at=5.0,
        kind="vllm",
        kv_usage=0.000042,
        running=2,
        waiting=1,
        capacity_tokens=1600,
        capacity_is_derived=True,
        prefix_queries=1000.0,
        prefix_hits=250.0,
        preemptions=3.0,
    )


def test_todays_name_counts_where_a_version_exports_both() -> None:
    read = sample("vllm:gpu_cache_usage_perc 0.1", "vllm:kv_cache_usage_perc 0.2", RUNNING)
    assert read.kv_usage == 0.2


def test_engines_behind_one_port_are_summed_and_the_fullest_tells_the_usage() -> None:
    lines = [
        line
        for rank, (running, waiting, usage) in enumerate([(3, 0, 0.1), (90, 55, 0.9)])
        for line in (
            f'vllm:num_requests_running{{engine="{rank}"}} {running}',
            f'vllm:num_requests_waiting{{engine="{rank}"}} {waiting}',
            f'vllm:kv_cache_usage_perc{{engine="{rank}"}} {usage}',
            f'vllm:prefix_cache_queries_total{{engine="{rank}"}} {running * 100}',
            f'vllm:prefix_cache_hits_total{{engine="{rank}"}} {running * 50}',
            f'vllm:num_preemptions_total{{engine="{rank}"}} {waiting}',
            f'{CONFIG}{{block_size="16",engine="{rank}",num_gpu_blocks="100"}} 1',
        )
    ]
    read = sample(*lines)
    assert (read.running, read.waiting, read.kv_usage, read.ranks) == (93, 55, 0.9, 2)
    assert (read.prefix_queries, read.prefix_hits, read.preemptions) == (9300.0, 4650.0, 55.0)
    assert read.capacity_tokens == 3200


def test_a_series_without_labels_is_read() -> None:
    assert sample("vllm:gpu_cache_usage_perc 0.5", "vllm:num_requests_running 2").kv_usage == 0.5


@pytest.mark.parametrize(
    ("labels", "capacity"),
    [
        ('num_gpu_blocks="256",block_size="32"', 8192),
        ('num_gpu_blocks="256",block_size="32",kv_cache_size_tokens="8192"', 8192),
        ('num_gpu_blocks="320",block_size="8",kv_cache_size_tokens="463459"', 463459),
        ('num_gpu_blocks="256",block_size="32",kv_cache_size_tokens="None"', 8192),
        ('num_gpu_blocks="None",block_size="16"', None),
        ('num_gpu_blocks="256",block_size="None"', None),
        ('num_gpu_blocks="0",block_size="16"', None),
        ('num_gpu_blocks="256"', None),
        ('block_size="16"', None),
        (f'num_gpu_blocks="{"9" * 5000}",block_size="16"', None),
        ("", None),
    ],
)
def test_capacity_comes_from_labels_and_is_unknown_when_they_hold_no_number(labels: str, capacity: int | None) -> None:
    assert sample(RUNNING, f"{CONFIG}{{{labels}}} 1").capacity_tokens == capacity


@pytest.mark.parametrize(
    ("labels", "is_derived"),
    [
        ('num_gpu_blocks="320",block_size="16"', True),
        ('num_gpu_blocks="320",block_size="16",num_gpu_blocks_override="None"', True),
        ('num_gpu_blocks="320",block_size="16",num_gpu_blocks_override="320"', False),
        ('num_gpu_blocks="320",block_size="16",kv_cache_size_tokens="463459"', False),
    ],
)
def test_a_number_of_blocks_is_doubted_unless_somebody_has_chosen_it(labels: str, *, is_derived: bool) -> None:
    assert sample(RUNNING, f"{CONFIG}{{{labels}}} 1").capacity_is_derived is is_derived


def test_capacity_is_unknown_while_one_rank_does_not_know_its_own() -> None:
    known = CONFIG + '{engine="0",num_gpu_blocks="256",block_size="32"} 1'
    assert sample(known, CONFIG + '{engine="1",num_gpu_blocks="None",block_size="32"} 1').capacity_tokens is None
    assert sample(RUNNING).capacity_tokens is None


def test_rays_replicas_on_one_page_each_have_their_own_cache() -> None:
    """A counter comes with and without `_total`, and not at all before its first event."""
    lines = []
    for replica, worker, usage in (("a", "1", 0.25), ("b", "2", 0.5)):
        labels = f'engine="0",model_name="m",ReplicaId="{replica}",WorkerId="{worker}"'
        lines += [
            f"ray_vllm_kv_cache_usage_perc{{{labels}}} {usage}",
            f"ray_vllm_num_requests_running{{{labels}}} 2",
            f"ray_vllm_num_requests_waiting{{{labels}}} 1",
            f"ray_vllm_prefix_cache_queries{{{labels}}} 100",
            f"ray_vllm_prefix_cache_queries_total{{{labels}}} 100",
            f"ray_vllm_prefix_cache_hits_total{{{labels}}} 40",
            f'ray_vllm_cache_config_info{{{labels},block_size="16",num_gpu_blocks="500"}} 1',
        ]
    read = sample(*lines)
    assert (read.running, read.waiting, read.kv_usage, read.ranks) == (4, 2, 0.5, 2)
    assert (read.prefix_queries, read.prefix_hits, read.preemptions) == (200.0, 80.0, None)
    assert read.capacity_tokens == 16_000
    without_replica = [line.replace('ReplicaId="a",', "").replace('ReplicaId="b",', "") for line in lines]
    assert sample(*without_replica) == read
