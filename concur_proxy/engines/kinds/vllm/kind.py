"""What the gateway knows about vLLM.

Its series are `vllm:...`. Data-parallel ranks differ in the label `engine`. The current names come first. Up to about
0.9, KV usage was `gpu_cache_usage_perc`, and the first prefix-cache counters of V1 were `gpu_prefix_cache_*`. In 0.8
these count blocks, and their help text says so. Prometheus relabelling may have turned `vllm:` into `vllm_`.

With several API servers (`--api-server-count`), gauges are repeated for each process, with the label `pid`. Only one
process knows the value, and the others show 0 or "None". Counters have no such label, and there is no start time.

Ray Serve exports the same series as `ray_vllm_...` at the metrics port of each node, with those of all replicas of the
node. Each has its own cache. A counter is absent there until its first event.
"""

from collections.abc import Mapping
from typing import Any

from concur_proxy.engines.exposition import Exposition, RankReader, Series
from concur_proxy.engines.kind import Advice, EngineKind, ServerInfo
from concur_proxy.engines.kinds.vllm.paths import PATHS
from concur_proxy.engines.sample import EngineSample

PREFIXES = ("vllm:", "vllm_", "ray_vllm_")
RAY_LABELS = ("ReplicaId", "WorkerId")
"""The labels by which the series of Ray's replicas differ. Older versions have only the second."""

KV_USAGE = ("kv_cache_usage_perc", "gpu_cache_usage_perc")
RUNNING = ("num_requests_running",)
WAITING = ("num_requests_waiting",)
QUERIES = (
    "prefix_cache_queries_total",
    "prefix_cache_queries",
    "gpu_prefix_cache_queries_total",
    "gpu_prefix_cache_queries",
)
HITS = ("prefix_cache_hits_total", "prefix_cache_hits", "gpu_prefix_cache_hits_total", "gpu_prefix_cache_hits")
EXTERNAL_HITS = ("external_prefix_cache_hits_total", "external_prefix_cache_hits")
"""Prompt tokens that a KV connector loaded from outside the GPU: from the host, a disk or another instance. They were
looked up on the GPU first, so QUERIES includes them.
"""
COMPUTED = ("request_prefill_kv_computed_tokens_sum",)
COMPUTING = ("request_prefill_time_seconds_sum",)
PREEMPTIONS = ("num_preemptions_total", "num_preemptions")
CACHE_CONFIG = ("cache_config_info",)
STARTED = ("process_start_time_seconds",)

MAX_DIGITS = 15
"""A label with a longer number is not believed."""

_WANTED = frozenset(
    (
        *(*KV_USAGE, *RUNNING, *WAITING, *QUERIES, *HITS, *EXTERNAL_HITS),
        *(*COMPUTED, *COMPUTING, *PREEMPTIONS, *CACHE_CONFIG),
    )
)


class Vllm(EngineKind):
    name = "vllm"
    rank_label = "engine"
    rank_header = "x-data-parallel-rank"
    counts_transferred = True
    paths = PATHS
    not_reported = frozenset({"evicted_tokens"})
    advice = Advice(cached_tokens="start it with --enable-prompt-tokens-details")
    info_paths = ("/version",)

    def wants(self, sample_name: str) -> bool:
        return _plain(sample_name) in _WANTED or sample_name in STARTED

    def recognises(self, exposition: Exposition) -> bool:
        return any(name.startswith(PREFIXES) for name in exposition.series)

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """Counters and requests are summed over ranks. KV usage is that of the fullest rank, which evicts first."""
        ranks = RankReader(exposition, (self.rank_label, *RAY_LABELS))
        capacity, is_derived = _capacity(ranks)
        queries, hits = _reuse(exposition, ranks)
        return EngineSample(
            at=at,
            kind=self.name,
            kv_usage=ranks.highest(_all(KV_USAGE)),
            running=ranks.whole(_all(RUNNING)),
            waiting=ranks.whole(_all(WAITING)),
            capacity_tokens=capacity,
            capacity_is_derived=is_derived,
            prefix_queries=queries,
            prefix_hits=hits,
            reloaded_tokens=None if hits is None else ranks.total(_all(EXTERNAL_HITS)),
            computed_tokens=ranks.total(_all(COMPUTED)),
            computing_s=ranks.total(_all(COMPUTING)),
            preemptions=ranks.total(_all(PREEMPTIONS)),
            started_at=ranks.highest(STARTED),
            ranks=max(1, len(ranks.each(_all(RUNNING)))),
        )

    def identify(self, path: str, answer: Mapping[str, Any]) -> ServerInfo | None:  # noqa: ARG002 - there is one path
        version = answer.get("version")
        return ServerInfo(version=version) if isinstance(version, str) else None


def _plain(sample_name: str) -> str:
    """The name without its prefix; empty for another server's."""
    prefix = next((prefix for prefix in PREFIXES if sample_name.startswith(prefix)), None)
    return "" if prefix is None else sample_name[len(prefix) :]


def _all(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names for prefix in PREFIXES)


def _reuse(exposition: Exposition, ranks: RankReader) -> tuple[float | None, float | None]:
    """Prompt tokens looked up in the cache, and prompt tokens found there or in an external cache."""
    queries, hits = ranks.total(_all(QUERIES)), ranks.total(_all(HITS))
    unit = _unit_of_counters(exposition)
    if unit is None:
        return None, None
    if unit == "blocks":
        size = _number(ranks.first(_all(CACHE_CONFIG)), "block_size")
        if size is None:
            return None, None
        queries, hits = _scaled(queries, size), _scaled(hits, size)
    external = ranks.total(_all(EXTERNAL_HITS))
    return queries, hits if hits is None or external is None else hits + external


def _unit_of_counters(exposition: Exposition) -> str | None:
    """What the counters of the prefix cache count, "tokens" or "blocks". None if that is unknown: `gpu_prefix_cache_*`
    counts blocks in one version and tokens in the next, and only the help text says which. A federation drops it.
    """
    name = next((name for name in _all(QUERIES) if name in exposition.series), "")
    text = exposition.help.get(name) or exposition.help.get(name.removesuffix("_total"))  # as OpenMetrics names it
    if text is None:
        return None if _plain(name).startswith("gpu_") else "tokens"
    return "blocks" if "blocks" in text else "tokens"


def _scaled(value: float | None, factor: int) -> float | None:
    return None if value is None else value * factor


def _capacity(ranks: RankReader) -> tuple[int | None, bool]:
    """The cache's size, which vLLM reports in labels, and whether it is derived from blocks that vLLM has chosen.

    Newer versions report tokens. The number of blocks times the block size is the same only if all layers share one
    kind of cache: a hybrid model's 320 blocks of 8 held 463,459 tokens. The size is None while any rank's is not known:
    its labels are "None" at first.
    """
    total, is_derived = 0, False
    for series in ranks.by_rank(ranks.first(_all(CACHE_CONFIG))).values():
        told = _number(series, "kv_cache_size_tokens")
        blocks, size = _number(series, "num_gpu_blocks"), _number(series, "block_size")
        if told is None and blocks is not None and size is not None:
            told = blocks * size
            is_derived = is_derived or _number(series, "num_gpu_blocks_override") is None
        if told is None:
            return None, False
        total += told
    return total or None, is_derived


def _number(series: list[Series], label: str) -> int | None:
    """The label's value in any of the processes that report it; None if none of them has a positive number."""
    values = (one.labels.get(label, "") for one in series)
    return max((int(value) for value in values if value.isdecimal() and len(value) <= MAX_DIGITS), default=0) or None
