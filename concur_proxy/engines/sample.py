"""What one scrape of one engine said, before anything is made of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSample:
    """One reading of an engine's `/metrics`, all ranks behind the port taken together; what the engine does not
    export is None, never 0.

    Counters are raw lifetime totals: rates are made of two samples by `engines.rates`.
    """

    at: float
    """When the answer arrived, in seconds of the caller's monotonic clock."""
    dialect: str
    """Which engine kind spoke: `vllm`, `sglang`, or a plug-in's name."""
    kv_usage: float | None = None
    """Share of KV blocks held by requests in flight, 0 to 1. Blocks cached for idle sessions count as free."""
    running: int | None = None
    """Requests in the running batch, summed over ranks."""
    waiting: int | None = None
    """Requests queued inside the engine, summed over ranks."""
    capacity_tokens: int | None = None
    """KV cache size in tokens, summed over ranks."""
    prefix_queries: float | None = None
    """Counter: prompt tokens looked up in the prefix cache."""
    prefix_hits: float | None = None
    """Counter: prompt tokens found in the prefix cache."""
    computed_tokens: float | None = None
    """Counter: prompt tokens that requests computed, without those found in the cache (vLLM only)."""
    computing_s: float | None = None
    """Counter: seconds that these took them, from their first step to their first token (vLLM only)."""
    preemptions: float | None = None
    """Counter: requests thrown out of the batch and recomputed (SGLang: retractions)."""
    evicted_tokens: float | None = None
    """Counter: cached tokens evicted to make room (SGLang only)."""
    started_at: float | None = None
    """The engine process' start, Unix time, where exported; a change means a restart."""
    ranks: int = 1
    """Engines (data-parallel ranks) behind the port."""
