"""What the gateway knows about SGLang.

Its series are `sglang:...`. Data-parallel ranks differ in the label `dp_rank`; tensor- and pipeline-parallel workers
repeat the values of their rank. Prometheus relabelling may have turned `sglang:` into `sglang_`.

A counter is absent until its first event, so an absent counter reads 0 if other series are there. The gauges are
refreshed at a prefill batch, every 40 decode steps, and every 30 s when idle, so an idle rank still shows the usage of
its last batch.
"""

from collections.abc import Mapping
from typing import Any

from concur_proxy.engines.exposition import Exposition, RankReader
from concur_proxy.engines.kind import Advice, EngineKind, Problem, ServerInfo
from concur_proxy.engines.kinds.sglang.paths import PATHS
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
_RELOADS = ("host_hit", "storage_hit")
_HIT_MODES = ("device_hit", *_RELOADS)
_PARTS = ("is_streaming", "cache_source")
"""Labels that divide the prompt and cached tokens of one rank: their series add up."""

_NO_CACHE = Problem(
    code="no_prefix_cache",
    message="runs with --disable-radix-cache, so there is no cache to protect",
    fix="start it without that flag",
)


class Sglang(EngineKind):
    name = "sglang"
    rank_label = "dp_rank"
    rank_header = "x-data-parallel-rank"
    paths = PATHS
    not_reported = frozenset({"computed_tokens", "computing_s", "started_at"})
    """The start time is read if it is there: a server in one process may export it."""
    advice = Advice(metrics="start it with --enable-metrics", cached_tokens="start it with --enable-cache-report")
    info_paths = ("/server_info", "/get_server_info")
    """The newer path comes first. Both paths answer with the server's arguments and its version."""

    def wants(self, sample_name: str) -> bool:
        return (sample_name.startswith(PREFIXES) and sample_name[7:] in _WANTED) or sample_name in STARTED

    def recognises(self, exposition: Exposition) -> bool:
        return any(name.startswith(PREFIXES) for name in exposition.series)

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """Counters and requests are summed over ranks. KV usage is that of the fullest rank, which evicts first."""
        ranks = RankReader(exposition, (self.rank_label,))
        hits, queries = _reuse(exposition, ranks)
        return EngineSample(
            at=at,
            kind=self.name,
            kv_usage=_usage(ranks),
            running=ranks.whole(_both(RUNNING)),
            waiting=ranks.whole(_both(WAITING)),
            capacity_tokens=ranks.whole(_both(CAPACITY)) or None,
            prefix_queries=queries,
            prefix_hits=hits,
            reloaded_tokens=_reloaded(ranks),
            preemptions=ranks.total(_both(RETRACTIONS)) or 0.0,
            evicted_tokens=ranks.total(_both(EVICTED)) or 0.0,
            started_at=ranks.highest(STARTED),
            ranks=max(1, len(ranks.each(_both(RUNNING)))),
        )

    def identify(self, path: str, answer: Mapping[str, Any]) -> ServerInfo | None:  # noqa: ARG002 - both answer alike
        if "disable_radix_cache" not in answer and "internal_states" not in answer:
            return None
        version = answer.get("version")
        return ServerInfo(
            version=version if isinstance(version, str) else None,
            problems=(_NO_CACHE,) if answer.get("disable_radix_cache") is True else (),
        )


def _both(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names for prefix in PREFIXES)


def _usage(ranks: RankReader) -> float | None:
    """The usage of the fullest rank. A rank with nothing running or waiting counts as 0, because its gauge is old."""
    running, waiting = ranks.each(_both(RUNNING)), ranks.each(_both(WAITING))
    usages = ranks.each(_both(KV_USAGE)).items()
    return max((0.0 if running.get(rank) == waiting.get(rank) == 0 else usage for rank, usage in usages), default=None)


def _reloaded(ranks: RankReader) -> float | None:
    """Prompt tokens loaded from the host's memory or from storage; None if the engine does not count them."""
    counts = [ranks.total(_both(PREFILL), mode=mode) for mode in _RELOADS]
    return None if all(count is None for count in counts) else sum(count or 0.0 for count in counts)


def _reuse(exposition: Exposition, ranks: RankReader) -> tuple[float | None, float | None]:
    """Prompt tokens found in the cache, and prompt tokens looked up, from the counters that this version has."""
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
