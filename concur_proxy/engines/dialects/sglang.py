"""SGLang: series `sglang:...`, one for each data-parallel rank by `dp_rank`, repeated by tensor- and
pipeline-parallel workers.

Counters that have not happened yet are absent, so beside other series their absence reads 0. The gauges are refreshed
at a prefill batch, every 40 decode steps and every 30 s when idle: usage that an idle rank still shows is what its
last batch left behind.
"""

from concur_proxy.engines.aggregate import RankReader
from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.sample import EngineSample

PREFIXES = ("sglang:", "sglang_")

KV_USAGE = ("token_usage",)
RUNNING = ("num_running_reqs", "num_requests_running")
WAITING = ("num_queue_reqs", "num_requests_waiting")
CAPACITY = ("max_total_num_tokens",)
PREFILL = ("prefill_effective_tokens_total",)
REALTIME = ("realtime_tokens_total",)
CACHED = ("cached_tokens_total",)
PROMPT = ("prompt_tokens_total",)
RETRACTIONS = ("num_retracted_requests_total",)
EVICTED = ("evicted_tokens_total",)
STARTED = ("process_start_time_seconds",)

_WANTED = frozenset(
    (*KV_USAGE, *RUNNING, *WAITING, *CAPACITY, *PREFILL, *REALTIME, *CACHED, *PROMPT, *RETRACTIONS, *EVICTED)
)
_HIT_MODES = ("device_hit", "host_hit", "storage_hit")
_PARTS = ("is_streaming", "cache_source")
"""Labels that divide the prompt and cached tokens of one rank: these series add up."""


class SglangDialect:
    """Reads SGLang's exposition."""

    name = "sglang"
    rank_label = "dp_rank"

    def wants(self, sample_name: str) -> bool:
        """Whether the sample is one of the names above."""
        return (sample_name.startswith(PREFIXES) and sample_name[7:] in _WANTED) or sample_name in STARTED

    def recognises(self, exposition: Exposition) -> bool:
        """Whether any series is SGLang's."""
        return any(name.startswith(PREFIXES) for name in exposition.series)

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """Counters and queues are summed over data-parallel ranks; KV usage is the fullest rank's."""
        ranks = RankReader(exposition, (self.rank_label,))
        hits, queries = _reuse(exposition, ranks)
        return EngineSample(
            at=at,
            dialect=self.name,
            kv_usage=_usage(ranks),
            running=ranks.whole(_both(RUNNING)),
            waiting=ranks.whole(_both(WAITING)),
            capacity_tokens=ranks.whole(_both(CAPACITY)) or None,
            prefix_queries=queries,
            prefix_hits=hits,
            preemptions=ranks.total(_both(RETRACTIONS)) or 0.0,
            evicted_tokens=ranks.total(_both(EVICTED)) or 0.0,
            started_at=ranks.highest(STARTED),
            ranks=max(1, len(ranks.each(_both(RUNNING)))),
        )


def _both(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names for prefix in PREFIXES)


def _usage(ranks: RankReader) -> float | None:
    """The fullest rank's usage, where one that neither runs nor queues anything uses nothing."""
    running, waiting = ranks.each(_both(RUNNING)), ranks.each(_both(WAITING))
    usages = ranks.each(_both(KV_USAGE)).items()
    return max((0.0 if running.get(rank) == waiting.get(rank) == 0 else usage for rank, usage in usages), default=None)


def _reuse(exposition: Exposition, ranks: RankReader) -> tuple[float | None, float | None]:
    """Prompt tokens found in the cache, and looked up, from whichever counters this version has."""
    computed = ranks.total(_both(PREFILL), mode="input")
    if computed is not None:
        hits = sum(ranks.total(_both(PREFILL), mode=mode) or 0.0 for mode in _HIT_MODES)
        return hits, hits + computed
    computed = ranks.total(_both(REALTIME), mode="prefill_compute")
    if computed is not None:
        hits = ranks.total(_both(REALTIME), mode="prefill_cache") or 0.0
        return hits, hits + computed
    parts = RankReader(exposition, ("dp_rank", *_PARTS))
    prompt = parts.total(_both(PROMPT))
    return (None, None) if prompt is None else (parts.total(_both(CACHED)) or 0.0, prompt)


def build() -> SglangDialect:
    """The dialect."""
    return SglangDialect()
