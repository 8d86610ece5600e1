"""SGLang's series, as 0.5.23 names and labels them.

Its gauges are a snapshot that is refreshed late (see `concur_proxy.lab.engine.gauges`). A counter is absent until its
first event.
"""

from collections.abc import Iterator

from prometheus_client.core import Metric

from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.engine.gauges import LateGauges
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.series import counter, gauge


class SglangFlavour:
    """The metrics of one SGLang rank, as far as admission control needs them."""

    def __init__(self, model: EngineModel, options: EmulatorOptions, rank: int) -> None:
        self._model = model
        self._gauges = LateGauges(model)
        self._block = options.block_tokens
        self._rank = str(rank)
        self._labels = {
            "engine_type": "unified",
            "model_name": options.model,
            "moe_ep_rank": "0",
            "pp_rank": "0",
            "tp_rank": "0",
        }
        if options.data_parallel_size > 1:
            self._labels["dp_rank"] = self._rank

    def on_step_end(self, now: float) -> None:
        """Refresh the gauges if they are due."""
        self._gauges.on_step_end(now=now)

    def collect(self, now: float) -> Iterator[Metric]:
        """The gauges as they were last refreshed, and the counters of this moment."""
        seen, block, labels = self._gauges.read(now=now), self._block, self._labels
        yield gauge("sglang:num_running_reqs", "Requests in the batch", labels, seen.running)
        yield gauge("sglang:num_queue_reqs", "Requests that wait for the batch", labels, seen.waiting)
        yield gauge("sglang:token_usage", "Share of KV tokens in use, 1 for all", labels, seen.kv_usage)
        yield gauge("sglang:max_total_num_tokens", "KV tokens in all", labels, self._model.cache.blocks * block)
        yield gauge("sglang:kv_used_tokens", "KV tokens that requests use", labels, seen.used * block)
        yield gauge("sglang:kv_available_tokens", "KV tokens that are free", labels, seen.free * block)
        yield gauge("sglang:kv_evictable_tokens", "KV tokens cached for later", labels, seen.evictable * block)
        yield from self._counters()

    def _counters(self) -> Iterator[Metric]:
        counters, cache, block, labels = self._model.counters, self._model.cache, self._block, self._labels
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
            own = {"cache_type": "UnifiedRadixCache", "dp_rank": self._rank, "pp_rank": "0", "tp_rank": "0"}
            yield counter("sglang:evicted_tokens", "KV tokens evicted", own, cache.evicted * block)


def build(model: EngineModel, options: EmulatorOptions, rank: int) -> SglangFlavour:
    """The metrics of this rank."""
    return SglangFlavour(model, options, rank)
