"""vLLM's series, as 0.32 names and labels them."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.series import counter, gauge


def collect(model: EngineModel, options: EmulatorOptions, rank: int = 0) -> Iterator[Metric]:
    """The series that matter to whoever controls admission."""
    labels = {"engine": str(rank), "model_name": options.model}
    counters = model.counters
    yield gauge("vllm:num_requests_running", "Requests in the batch", labels, model.running)
    yield gauge("vllm:num_requests_waiting", "Requests that wait for the batch", labels, model.waiting)
    yield gauge("vllm:kv_cache_usage_perc", "Share of KV blocks in use, 1 for all", labels, model.kv_usage)
    yield counter("vllm:prefix_cache_queries", "Prompt tokens looked up", labels, counters.prefix_queries)
    yield counter("vllm:prefix_cache_hits", "Prompt tokens found in the cache", labels, counters.prefix_hits)
    yield counter("vllm:num_preemptions", "Requests preempted", labels, counters.preemptions)
    yield counter("vllm:prompt_tokens", "Prompt tokens of requests", labels, counters.prefix_queries)
    yield counter("vllm:generation_tokens", "Tokens generated", labels, counters.generated)
    ends = counter(
        "vllm:request_success", "Requests that ended", {**labels, "finished_reason": "length"}, counters.finished
    )
    ends.add_metric([*labels.values(), "abort"], counters.aborted)
    yield ends
    blocks = model.cache.blocks
    config = {
        "block_size": str(options.block_tokens),
        "enable_prefix_caching": "True",
        "engine": str(rank),
        "kv_cache_size_tokens": str(blocks * options.block_tokens),
        "num_gpu_blocks": str(blocks),
    }
    yield gauge("vllm:cache_config_info", "The cache's configuration, as labels", config, 1)
