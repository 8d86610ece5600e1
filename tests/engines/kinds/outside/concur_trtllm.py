"""TensorRT-LLM's `trtllm-serve`, as a package outside concur-proxy would support it.

The metric names are those of `tensorrt_llm/metrics/collector.py` in NVIDIA/TensorRT-LLM (commit 050f80d, 2026), and the
paths those of `tensorrt_llm/serve/openai_server.py`. The server exports Prometheus text at `/prometheus/metrics`; its
`/metrics` answers with statistics as JSON. It reports iteration statistics, which these gauges are, only if it was
started with `enable_iter_perf_stats: true`.
"""

from concur_proxy.engines.exposition import Exposition, RankReader
from concur_proxy.engines.kind import Advice, EngineKind, EnginePaths
from concur_proxy.engines.sample import REQUIRED_SIGNALS, SIGNALS, EngineSample

KV_USAGE = "trtllm_kv_cache_utilization"
RUNNING = "trtllm_num_requests_running"
WAITING = "trtllm_num_requests_waiting"
BLOCKS = "trtllm_kv_cache_max_blocks"
BLOCK_TOKENS = "trtllm_kv_cache_tokens_per_block"


class TensorRtLlm(EngineKind):
    name = "trtllm"
    metrics_path = "/prometheus/metrics"
    paths = EnginePaths(
        generating=("POST /v1/chat/completions", "POST /v1/completions", "POST /v1/responses"),
        passing=("GET /v1/models", "GET /health", "GET /version"),
        administrative=("/release_memory", "/resume_memory", "/update_weights"),
    )
    not_reported = frozenset(SIGNALS) - {*REQUIRED_SIGNALS, "capacity_tokens"}
    advice = Advice(metrics="start it with enable_iter_perf_stats: true")

    def wants(self, sample_name: str) -> bool:
        return sample_name in {KV_USAGE, RUNNING, WAITING, BLOCKS, BLOCK_TOKENS}

    def recognises(self, exposition: Exposition) -> bool:
        return bool(exposition.series)

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        server = RankReader(exposition, ())
        blocks, block_tokens = server.whole([BLOCKS]), server.whole([BLOCK_TOKENS])
        return EngineSample(
            at=at,
            kind=self.name,
            kv_usage=server.highest([KV_USAGE]),
            running=server.whole([RUNNING]),
            waiting=server.whole([WAITING]),
            capacity_tokens=None if blocks is None or block_tokens is None else blocks * block_tokens or None,
        )


def build() -> TensorRtLlm:
    return TensorRtLlm()
