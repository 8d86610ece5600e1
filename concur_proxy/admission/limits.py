"""How many sessions may hold a place: by the window in sessions, by the window in tokens, and by the engine's room."""

import math
from dataclasses import dataclass

from concur_proxy.admission.estimates import FootprintEstimator
from concur_proxy.admission.places import Places
from concur_proxy.control.law import Budget

GROWING_TURNS = 0.35
"""Share of a turn's growth that is charged to each session when one may have to pause: requests in flight grow."""
REPRIEVE_SHARE = 0.9
"""A session that is about to pause may keep its place if all sessions fill at most this share of the token window. At
the very limit it would have to pause again with the next token.
"""


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
    max_model_len: int | None = None
    """The longest context that the engine accepts, prompt and completion, tokens."""

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
    growing: float
    """Number of active sessions that will probably come back with a longer context."""
    in_flight: int
    """Their requests at the engine now."""
    growth: float
    """Tokens by which a session grows in a turn. Each session gets this much in reserve."""

    @property
    def tokens(self) -> float:
        """Footprints and reserves."""
        return self.footprints + self.growth * self.growing


class Limits:
    """Judges how many sessions may hold a place. It changes no session."""

    def __init__(
        self, *, places: Places, footprints: FootprintEstimator, window: float, work_conserving: bool = True
    ) -> None:
        """Raises `ValueError` for a window below 1 or NaN: no session would ever be admitted."""
        self._places = places
        self._footprints = footprints
        self._work_conserving = work_conserving
        self._room = Room()
        self._budget: Budget | None = None
        self._window = _checked(window)

    @property
    def window(self) -> float:
        """How many sessions may be active."""
        return self._window

    @property
    def capacity_tokens(self) -> int | None:
        """The size of the engine's cache; None if it is not known now."""
        return self._room.capacity_tokens

    @property
    def budget(self) -> Budget | None:
        """How much KV cache the active sessions may fill; None: no limit."""
        return self._budget

    def resize(self, window: float, budget: Budget | None) -> None:
        """Set both windows."""
        self._window, self._budget = _checked(window), budget
        self._room.limit_tokens = math.inf if budget is None else budget.tokens

    def observe(self, load: EngineLoad | None) -> None:
        """The engine's newest reading, or None if there is no reading that can be trusted."""
        self._room.observe(load)

    def admitted(self, tokens: float) -> None:
        """Note that a session with this footprint has got a place."""
        self._room.released(tokens)

    def reason_to_admit(self, tokens: float, *, in_flight: int, grows: float = 1.0) -> str | None:
        """What allows one more session that adds these tokens: `window` or `room`, or None if neither does. `grows` is
        the probability that it comes back with a longer context.
        """
        if len(self._places) + 1 <= self._window and self._fits_budget(tokens, grows):
            return "window"
        return "room" if self._has_room(tokens, in_flight, grows) else None

    def are_exceeded(self, *, in_flight: int) -> bool:
        """Whether one of the sessions with a place must pause, not counting those that are about to."""
        places = self._places
        if self._budget is not None:
            growing = GROWING_TURNS * self._footprints.growth_tokens(0.0) * places.steady_growing
            over = places.steady_tokens + growing > self._budget.tokens and places.steady > 1
            return places.steady > self._window or over
        if places.steady <= self._window:
            return False
        # A session whose cache fits is not paused.
        demand = self._demand(places.steady_tokens, places.steady_growing, in_flight)
        return not (self._work_conserving and self._room.holds(demand))

    def allow_reprieve(self, *, in_flight: int) -> bool:
        """Whether one of the sessions that are about to pause may keep its place."""
        if self._places.steady + 1 <= self._window:
            budget = self._budget
            if budget is None or self._places.footprint_tokens <= REPRIEVE_SHARE * budget.tokens:
                return True
        return self._budget is None and self._has_room(0.0, in_flight, 1.0)

    def _fits_budget(self, tokens: float, grows: float) -> bool:
        budget, sessions = self._budget, len(self._places)
        if budget is None or sessions == 0:
            return True
        reserve = budget.reserve_turns * self._footprints.growth_tokens(tokens)
        return self._places.footprint_tokens + tokens + reserve * (self._places.growing + grows) <= budget.tokens

    def _has_room(self, tokens: float, in_flight: int, grows: float) -> bool:
        if not self._work_conserving:
            return False
        demand = self._demand(self._places.footprint_tokens, self._places.growing, in_flight, alike=tokens)
        return self._room.fits(tokens, demand, grows)

    def _demand(self, footprints: float, growing: float, in_flight: int, *, alike: float = 0.0) -> Demand:
        """`alike` is a footprint of a similar session. It replaces the growth of a turn until that is known."""
        growth = self._footprints.growth_tokens(alike)
        return Demand(footprints=footprints, growing=growing, in_flight=in_flight, growth=growth)


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

    @property
    def capacity_tokens(self) -> int | None:
        """The size of the cache; None if readings are missing."""
        return None if self._load is None else self._load.capacity_tokens

    def observe(self, load: EngineLoad | None) -> None:
        """Use the newest reading, or None if there is no reading that can be trusted."""
        self._load = load
        self._released_since = 0.0

    def released(self, tokens: float) -> None:
        """Note that a session with this many tokens was admitted after the last reading."""
        self._released_since += tokens

    def fits(self, tokens: float, demand: Demand, grows: float = 1.0) -> bool:
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
        return filled + tokens + demand.growth * grows <= min(load.capacity_tokens, self.limit_tokens)

    def holds(self, demand: Demand) -> bool:
        """Whether the cache is large enough for all of `demand`, however busy the engine is. False if readings are
        missing.

        This, not `fits`, decides whether a session keeps its place. A short queue inside the engine is no reason to
        give up caches: a paused session whose cache fits would only have to compute it again.
        """
        return self.capacity_tokens is not None and demand.tokens <= self.capacity_tokens


def _checked(window: float) -> float:
    if not window >= 1:  # true of NaN as well
        raise ValueError(f"a window must be 1 or more, not {window:g}")
    return window
