"""What a control law sees: one engine during one control interval."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CongestionSignal:
    """Measurements of one engine. A value that is not known is None, never 0."""

    now: float
    """End of the interval, in seconds of a monotonic clock."""
    kv_usage: float | None = None
    """Share of the KV cache that requests in flight use, 0 to 1 (U in the CONCUR paper)."""
    hit_rate: float | None = None
    """Share of prompt tokens found in the cache during this interval, 0 to 1 (H in the CONCUR paper). None if the
    engine looked nothing up.
    """
    preemptions: float | None = None
    """Requests that the engine preempted in this interval."""
    in_flight: int = 0
    """Requests that this gateway has at the engine. An engine is idle only if this is 0, whatever its gauges say."""
    gauges_are_late: bool = False
    """Whether the engine's gauges miss requests that this gateway has had there since the last interval. Such gauges
    (`kv_usage`, `running`, `waiting`) show less load than there is: they must not raise a window.
    """
    running: int | None = None
    """Requests that the engine is computing."""
    waiting: int | None = None
    """Requests that wait inside the engine."""
    capacity_tokens: int | None = None
    """Size of the KV cache, in tokens."""
    prefilled_tokens: float | None = None
    """Prompt tokens computed in this interval."""
    prefill_tokens_s: float | None = None
    """Prompt tokens that the engine can compute per second, estimated from what it has shown so far."""
    hit_tokens: float | None = None
    """Prompt tokens found in the cache in this interval."""
    reloaded_tokens: float | None = None
    """The part of `hit_tokens` that was loaded from a cache behind the engine's own, such as the host's memory."""
    reload_tokens_s: float | None = None
    """Tokens that the engine can load per second from there, at least."""
    promised_tokens: int = 0
    """Context that should have been in the cache, in the answers that ended in this interval: of sessions that came
    back and had kept their place in the window since their last turn.
    """
    told_tokens: int = 0
    """Promised context of the requests that ended in this interval and whose answers report their cached tokens."""
    lost_tokens: int = 0
    """The part of `told_tokens` that was not in the cache and had to be recomputed."""
    answer_s: float | None = None
    """Mean service time per token read or written, over the answers that ended in this interval. None if none ended."""
    footprint_tokens: float = 0.0
    """Cache that the active sessions need, in tokens."""
    separate_tokens: float = 0.0
    """The same if nothing were shared: what several sessions share counts in each of them."""
    active_sessions: int = 0
    """Sessions that have a place in the window."""
    queued_sessions: int = 0
    """Sessions that wait for a place in the window, except those that are too large for it and only wait apart."""
    gives_way: bool = False
    """Whether the gate admits every session now, whatever the window in tokens is, or sessions that it admitted so have
    still to pause. A loss is then not the window's effect.
    """
