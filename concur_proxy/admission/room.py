"""Whether an engine demonstrably has room for one more session, whatever the window says."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """The engine's last reading. None: not known."""

    running: int | None
    waiting: int | None
    kv_usage: float | None
    """Share of KV blocks in use by requests in flight, 0 to 1."""
    capacity_tokens: int | None
    prefill_tokens_s: float | None = None
    """The highest prefill rate seen, tokens per second."""

    def is_late(self, lasting: int) -> bool:
        """Whether these gauges miss requests: the gateway has had `lasting` requests at the engine since the reading
        before this one. SGLang's gauges refresh at the end of a prefill batch, so a first prompt shows only then.
        """
        return self.running is not None and self.waiting is not None and self.running + self.waiting < lasting


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How much KV cache the sessions with a place need."""

    footprints: float
    """Sum of the active sessions' footprints, tokens."""
    sessions: int
    """Number of active sessions."""
    in_flight: int
    """Their requests at the engine now."""
    growth: float
    """Tokens by which a session grows in a turn. Each session gets this much in reserve."""

    @property
    def tokens(self) -> float:
        """Footprints and reserves."""
        return self.footprints + self.growth * self.sessions


class Room:
    """The work-conserving rule: no session waits while the engine has an empty queue and cache that no admitted session
    needs.

    The engine's KV usage does not show how much is free: it counts the blocks of idle sessions as free. So free is the
    capacity minus the footprints of the sessions that hold a place. Requests that did not come through this gate show
    only in the KV usage, so the larger of the two is used. A reading is up to one interval old, so tokens released
    since then are added to the KV usage.
    """

    def __init__(self) -> None:
        self.limit_tokens = math.inf
        """How much of the capacity the control law allows to be filled."""
        self._load: EngineLoad | None = None
        self._released_since = 0.0

    def observe(self, load: EngineLoad | None) -> None:
        """Take the newest reading, or None if there is no reading that can be trusted."""
        self._load = load
        self._released_since = 0.0

    def released(self, tokens: float) -> None:
        """A session with this many tokens was admitted after the last reading."""
        self._released_since += tokens

    def fits(self, tokens: float, demand: Demand) -> bool:
        """Whether a session with `tokens` fits in addition to `demand` without evictions. If readings are missing, it
        fits only if the engine does nothing at all.
        """
        load = self._load
        if load is None or load.waiting is None or load.waiting > 0:
            return False
        if load.capacity_tokens is None or load.kv_usage is None:
            return load.running == 0 and demand.in_flight == 0
        used = load.kv_usage * load.capacity_tokens + self._released_since
        filled = max(demand.tokens, used)
        return filled + tokens + demand.growth <= min(load.capacity_tokens, self.limit_tokens)

    def holds(self, demand: Demand) -> bool:
        """Whether the cache is large enough for all of `demand`, however busy the engine is. False if readings are
        missing.

        This, not `fits`, decides whether a session keeps its place. An engine that queues for a moment is no reason to
        give up caches: a paused session whose cache fits would only have to compute it again.
        """
        capacity = None if self._load is None else self._load.capacity_tokens
        return capacity is not None and demand.tokens <= capacity
