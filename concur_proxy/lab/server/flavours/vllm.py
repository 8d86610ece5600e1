"""vLLM's series, as 0.32 names and labels them. They show the latest step."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.series import counter, gauge


class VllmFlavour:
    """The metrics of one vLLM rank, as far as admission control needs them."""

    def __init__(self, model: EngineModel, options: EmulatorOptions, rank: int) -> None:
        self._model = model
        self._options = options
        self._rank = rank

    def on_step_end(self, now: float) -> None:
        """Nothing to do: `collect` reads the model itself."""

    def collect(self, now: float) -> Iterator[Metric]:  # noqa: ARG002 - the interface's argument
        """The series of this moment."""
        model = self._model
        labels = {"engine": str(self._rank), "model_name": self._options.model}
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
            "block_size": str(self._options.block_tokens),
            "enable_prefix_caching": "True",
            "engine": str(self._rank),
            "kv_cache_size_tokens": str(blocks * self._options.block_tokens),
            "num_gpu_blocks": str(blocks),
        }
        yield gauge("vllm:cache_config_info", "The cache's configuration, as labels", config, 1)


def build(model: EngineModel, options: EmulatorOptions, rank: int) -> VllmFlavour:
    """The metrics of this rank."""
    return VllmFlavour(model, options, rank)
