"""vLLM: series `vllm:...`, one for each data-parallel rank by the label `engine`.

Names of today come first. Before 0.9 or so KV usage was `gpu_cache_usage_perc`, and V1's first prefix-cache counters
were `gpu_prefix_cache_*`. A relabelling may have made `vllm_` of `vllm:`.
"""

import math

from concur_proxy.engines.aggregate import RankReader
from concur_proxy.engines.exposition import Exposition, Series
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


class VllmDialect:
    """Reads vLLM's exposition."""

    name = "vllm"
    rank_label = "engine"

    def wants(self, sample_name: str) -> bool:
        """Whether the sample is one of the names above."""
        return (sample_name.startswith(PREFIXES) and sample_name[5:] in _WANTED) or sample_name in STARTED

    def recognises(self, exposition: Exposition) -> bool:
        """Whether any series is vLLM's."""
        return any(name.startswith(PREFIXES) for name in exposition.series)

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """Counters and queues are summed over ranks; KV usage is the fullest rank's, since that one evicts first."""
        ranks = RankReader(exposition, (self.rank_label,))
        return EngineSample(
            at=at,
            dialect=self.name,
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


def _both(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names for prefix in PREFIXES)


def _capacity(ranks: RankReader) -> int | None:
    """The cache's size, which vLLM tells as labels; None while any rank's is no number ("None" at first)."""
    sizes = [_size(series[0]) for series in ranks.by_rank(ranks.first(_both(CACHE_CONFIG))).values()]
    known = [size for size in sizes if size > 0]
    return sum(known) if known and len(known) == len(sizes) else None


def _size(config: Series) -> int:
    """A rank's size in tokens, 0 when it is not told.

    Newer versions tell the tokens themselves; blocks times block size is that only where all layers share one
    kind of cache (a hybrid model's 320 blocks of 8 held 463,459 tokens).
    """
    labels = config.labels
    for factors in (("kv_cache_size_tokens",), ("num_gpu_blocks", "block_size")):
        try:
            return math.prod(int(labels[name]) for name in factors)
        except (KeyError, ValueError):
            continue
    return 0


def build() -> VllmDialect:
    """The dialect."""
    return VllmDialect()
