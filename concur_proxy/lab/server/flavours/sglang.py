"""SGLang's series, as 0.5.23 names and labels them; a counter without an event so far is absent, as there."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.series import counter, gauge


def collect(model: EngineModel, options: EmulatorOptions, rank: int = 0) -> Iterator[Metric]:
    """The series that matter to whoever controls admission."""
    block, cache, counters = options.block_tokens, model.cache, model.counters
    labels = {
        "engine_type": "unified",
        "model_name": options.model,
        "moe_ep_rank": "0",
        "pp_rank": "0",
        "tp_rank": "0",
    }
    if options.data_parallel_size > 1:
        labels["dp_rank"] = str(rank)
    yield gauge("sglang:num_running_reqs", "Requests in the batch", labels, model.running)
    yield gauge("sglang:num_queue_reqs", "Requests that wait for the batch", labels, model.waiting)
    yield gauge("sglang:token_usage", "Share of KV tokens in use, 1 for all", labels, model.kv_usage)
    yield gauge("sglang:max_total_num_tokens", "KV tokens in all", labels, cache.blocks * block)
    yield gauge("sglang:kv_used_tokens", "KV tokens held by requests", labels, cache.used * block)
    yield gauge("sglang:kv_available_tokens", "KV tokens that hold nothing", labels, cache.free * block)
    yield gauge("sglang:kv_evictable_tokens", "KV tokens cached for later", labels, cache.evictable * block)
    computed, hits = counters.prefix_queries - counters.prefix_hits, counters.prefix_hits
    for name, missed, found in (
        ("sglang:prefill_effective_tokens", "input", "device_hit"),
        ("sglang:realtime_tokens", "prefill_compute", "prefill_cache"),
    ):
        family = counter(name, "Prompt tokens by where they came from", {**labels, "mode": missed}, computed)
        family.add_metric([*labels.values(), found], hits)
        yield family
    if counters.preemptions:
        yield counter("sglang:num_retracted_requests", "Requests retracted", labels, counters.preemptions)
    if cache.evicted:
        own = {"cache_type": "UnifiedRadixCache", "dp_rank": str(rank), "pp_rank": "0", "tp_rank": "0"}
        yield counter("sglang:evicted_tokens", "KV tokens evicted", own, cache.evicted * block)
