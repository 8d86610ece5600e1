"""SGLang. Reads KV usage, running and waiting requests, capacity, prefix-cache hits, retractions and evictions."""

from concur_proxy.engines.kinds.sglang.kind import Sglang


def build() -> Sglang:
    return Sglang()
