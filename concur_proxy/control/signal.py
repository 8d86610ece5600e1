"""What a control law sees: one engine over one control interval."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CongestionSignal:
    """One observation of one engine; what is not known is None, never 0."""

    now: float
    """Seconds, monotonic."""
    kv_usage: float | None = None
    """Share of KV blocks held by requests in flight, 0 to 1 (U in the paper)."""
    hit_rate: float | None = None
    """Prefix-hit rate of this interval alone, 0 to 1 (H in the paper); None when nothing was looked up."""
    preemptions: float | None = None
    """Requests preempted in this interval."""
    in_flight: int = 0
    """Requests that this gateway has at the engine. An engine is idle only if this is 0, whatever its gauges say."""
    gauges_are_late: bool = False
    """Whether the engine's gauges miss requests that this gateway has had there since the last interval. Such gauges
    (`kv_usage`, `running`, `waiting`) show less load than there is: they must not raise a window.
    """
    running: int | None = None
    waiting: int | None = None
    capacity_tokens: int | None = None
    prefilled_tokens: float | None = None
    """Prompt tokens computed in this interval."""
    prefill_tokens_s: float | None = None
    """Prompt tokens that the engine can compute in a second, as far as it has shown."""
    hit_tokens: float | None = None
    """Prompt tokens found in the cache in this interval."""
    promised_tokens: int = 0
    """Context that sessions came back to in this interval, which had kept their places since they had it: it should be
    in the cache.
    """
    told_tokens: int = 0
    """The like of requests whose answers, ended in this interval, told what was cached."""
    lost_tokens: int = 0
    """The part of these that was computed again."""
    answer_s: float | None = None
    """Mean time of the answers that ended in this interval, from release to end, per token read or written; None when
    none did.
    """
    footprint_tokens: float = 0.0
    """KV cache that the active sessions need."""
    active_sessions: int = 0
    """Sessions that hold a place in the window."""
    queued_sessions: int = 0
    """Sessions that wait for one."""
