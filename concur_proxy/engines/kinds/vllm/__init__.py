"""vLLM. Reads KV usage, running and waiting requests, capacity, prefix-cache hits, preemptions and prefill time."""

from concur_proxy.engines.kinds.vllm.kind import Vllm


def build() -> Vllm:
    return Vllm()
