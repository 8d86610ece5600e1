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
    running: int | None = None
    waiting: int | None = None
    capacity_tokens: int | None = None
    active_sessions: int = 0
    """Sessions that hold a place in the window."""
    queued_sessions: int = 0
    """Sessions that wait for one."""
