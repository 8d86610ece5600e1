"""What the gateway knows about vLLM.

Its series are `vllm:...`. Data-parallel ranks differ in the label `engine`. The current names come first. Up to about
0.9, KV usage was `gpu_cache_usage_perc`, and the first prefix-cache counters of V1 were `gpu_prefix_cache_*`.
Prometheus relabelling may have turned `vllm:` into `vllm_`.
"""

import math
from collections.abc import Mapping
from typing import Any

from concur_proxy.engines.exposition import Exposition, RankReader, Series
from concur_proxy.engines.kind import Advice, EngineKind, ServerInfo
from concur_proxy.engines.kinds.vllm.paths import PATHS
from concur_proxy.engines.sample import EngineSample

PREFIXES = ("vllm:", "vllm_")

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
COMPUTED = ("request_prefill_kv_computed_tokens_sum",)
COMPUTING = ("request_prefill_time_seconds_sum",)
PREEMPTIONS = ("num_preemptions_total", "num_preemptions")
CACHE_CONFIG = ("cache_config_info",)
STARTED = ("process_start_time_seconds",)

_WANTED = frozenset(
    (*KV_USAGE, *RUNNING, *WAITING, *QUERIES, *HITS, *COMPUTED, *COMPUTING, *PREEMPTIONS, *CACHE_CONFIG)
)


class Vllm(EngineKind):
    name = "vllm"
    rank_label = "engine"
    rank_header = "x-data-parallel-rank"
    paths = PATHS
    not_reported = frozenset({"evicted_tokens"})
    advice = Advice(cached_tokens="start it with --enable-prompt-tokens-details")
    info_paths = ("/version",)

    def wants(self, sample_name: str) -> bool:
        return (sample_name.startswith(PREFIXES) and sample_name[5:] in _WANTED) or sample_name in STARTED

    def recognises(self, exposition: Exposition) -> bool:
        return any(name.startswith(PREFIXES) for name in exposition.series)

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """Counters and requests are summed over ranks. KV usage is that of the fullest rank, which evicts first."""
        ranks = RankReader(exposition, (self.rank_label,))
        return EngineSample(
            at=at,
            kind=self.name,
            kv_usage=ranks.highest(_both(KV_USAGE)),
            running=ranks.whole(_both(RUNNING)),
            waiting=ranks.whole(_both(WAITING)),
            capacity_tokens=_capacity(ranks),
            prefix_queries=ranks.total(_both(QUERIES)),
            prefix_hits=ranks.total(_both(HITS)),
            computed_tokens=ranks.total(_both(COMPUTED)),
            computing_s=ranks.total(_both(COMPUTING)),
            preemptions=ranks.total(_both(PREEMPTIONS)),
            started_at=ranks.highest(STARTED),
            ranks=max(1, len(ranks.each(_both(RUNNING)))),
        )

    def identify(self, path: str, answer: Mapping[str, Any]) -> ServerInfo | None:  # noqa: ARG002 - there is one path
        version = answer.get("version")
        return ServerInfo(version=version) if isinstance(version, str) else None


def _both(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names for prefix in PREFIXES)


def _capacity(ranks: RankReader) -> int | None:
    """The cache's size, which vLLM reports in labels. None while any rank's is not a number ("None" at first)."""
    sizes = [_size(series[0]) for series in ranks.by_rank(ranks.first(_both(CACHE_CONFIG))).values()]
    known = [size for size in sizes if size > 0]
    return sum(known) if known and len(known) == len(sizes) else None


def _size(config: Series) -> int:
    """A rank's size in tokens; 0 if it is not reported.

    Newer versions report tokens. The number of blocks times the block size is the same only if all layers share one
    kind of cache: a hybrid model's 320 blocks of 8 held 463,459 tokens.
    """
    labels = config.labels
    for factors in (("kv_cache_size_tokens",), ("num_gpu_blocks", "block_size")):
        try:
            return math.prod(int(labels[name]) for name in factors)
        except (KeyError, ValueError):
            continue
    return 0
