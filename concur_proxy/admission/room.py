"""Whether an engine demonstrably has room for one more session, whatever the window says."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """What the engine last said of itself; None is unknown."""

    running: int | None
    waiting: int | None
    kv_usage: float | None
    """Share of KV blocks held by requests in flight, 0 to 1."""
    capacity_tokens: int | None
    prefill_tokens_s: float | None = None
    """Prompt tokens that it was seen to compute in a second at most."""

    def is_late(self, lasting: int) -> bool:
        """Whether these gauges miss requests: the gateway has had `lasting` requests at the engine since the reading
        before this one. SGLang's gauges refresh at the end of a prefill batch, so a first prompt shows only then.
        """
        return self.running is not None and self.waiting is not None and self.running + self.waiting < lasting


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the sessions with a place would fill of the engine's cache."""

    footprints: float
    """Sum of the active sessions' footprints, tokens."""
    sessions: int
    """How many sessions that is."""
    in_flight: int
    """Requests of theirs at the engine now."""
    growth: float
    """Tokens by which a session grows in a turn: each is given this much in reserve."""

    @property
    def tokens(self) -> float:
        """Footprints and reserves."""
        return self.footprints + self.growth * self.sessions


class Room:
    """The work-conserving rule: nobody is held while the engine queues nothing and has cache that no admitted session
    fills.

    "Free" cannot be read from the engine's KV usage, which counts the blocks of idle sessions as free; so it is
    capacity less the footprints of the sessions that hold a place. Requests in flight that did not come through this
    gate show in the KV usage, and the larger of the two counts. Tokens released since the last reading are added to
    it: a reading is up to an interval old.
    """

    def __init__(self) -> None:
        self.limit_tokens = math.inf
        """What the control law lets be filled of the capacity, at most."""
        self._load: EngineLoad | None = None
        self._released_since = 0.0

    def observe(self, load: EngineLoad | None) -> None:
        """Take the newest reading; None when there is none that can be trusted."""
        self._load = load
        self._released_since = 0.0

    def released(self, tokens: float) -> None:
        """A session of this many tokens was admitted after the last reading."""
        self._released_since += tokens

    def fits(self, tokens: float, demand: Demand) -> bool:
        """Whether a session of `tokens` can be added to `demand` without evicting anybody; unknown is no, unless the
        engine does nothing at all.
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
        """Whether the cache is large enough for all of `demand`, however busy the engine is; unknown is no.

        By this, not by `fits`, a session is let stay: an engine that queues for a moment is no reason to give up caches
        that are there, and to pause a session whose cache fits only makes it compute everything again.
        """
        capacity = None if self._load is None else self._load.capacity_tokens
        return capacity is not None and demand.tokens <= capacity
