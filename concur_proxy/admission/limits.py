"""How many sessions may hold a place: by the window in sessions, by the window in tokens, and by the engine's room."""

import math

from concur_proxy.admission.accounts import FootprintEstimator
from concur_proxy.admission.places import Places
from concur_proxy.admission.room import Demand, EngineLoad, Room
from concur_proxy.control.law import Budget

GROWING_TURNS = 0.35
"""Share of a turn's growth that is charged to each session when one may have to pause: requests in flight grow."""
REPRIEVE_SHARE = 0.9
"""A session that is about to pause may keep its place if all sessions fill at most this share of the token window. At
the very limit it would have to pause again with the next token.
"""


class Limits:
    """Judges how many sessions may hold a place. It changes no session."""

    def __init__(
        self, *, places: Places, footprints: FootprintEstimator, window: float, work_conserving: bool = True
    ) -> None:
        """`ValueError` for a window below 1 or NaN: no session would ever be admitted."""
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
    def budget(self) -> Budget | None:
        """How much KV cache they may fill; None: no limit."""
        return self._budget

    def resize(self, window: float, budget: Budget | None) -> None:
        """Set both windows."""
        self._window, self._budget = _checked(window), budget
        self._room.limit_tokens = math.inf if budget is None else budget.tokens

    def observe(self, load: EngineLoad | None) -> None:
        """The engine's newest reading, or None if there is no reading that can be trusted."""
        self._room.observe(load)

    def admitted(self, tokens: float) -> None:
        """A session with this footprint has got a place."""
        self._room.released(tokens)

    def reason_to_admit(self, tokens: float, *, in_flight: int) -> str | None:
        """What allows one more session with this footprint: `window` or `room`, or None if neither does."""
        if len(self._places) + 1 <= self._window and self._fits_budget(tokens):
            return "window"
        return "room" if self._has_room(tokens, in_flight) else None

    def are_exceeded(self, *, in_flight: int) -> bool:
        """Whether one of the sessions with a place must pause, not counting those that are about to."""
        places = self._places
        if self._budget is not None:
            growing = GROWING_TURNS * self._footprints.growth_tokens(0.0) * places.steady
            over = places.steady_tokens + growing > self._budget.tokens and places.steady > 1
            return places.steady > self._window or over
        if places.steady <= self._window:
            return False
        # A session whose cache fits is not paused.
        demand = self._demand(places.steady_tokens, places.steady, in_flight)
        return not (self._work_conserving and self._room.holds(demand))

    def allow_reprieve(self, *, in_flight: int) -> bool:
        """Whether one of the sessions that are about to pause may keep its place."""
        if self._places.steady + 1 <= self._window:
            budget = self._budget
            if budget is None or self._places.footprint_tokens <= REPRIEVE_SHARE * budget.tokens:
                return True
        return self._budget is None and self._has_room(0.0, in_flight)

    def _fits_budget(self, tokens: float) -> bool:
        budget, sessions = self._budget, len(self._places)
        if budget is None or sessions == 0:
            return True
        reserve = budget.reserve_turns * self._footprints.growth_tokens(tokens)
        return self._places.footprint_tokens + tokens + reserve * (sessions + 1) <= budget.tokens

    def _has_room(self, tokens: float, in_flight: int) -> bool:
        if not self._work_conserving:
            return False
        demand = self._demand(self._places.footprint_tokens, len(self._places), in_flight, alike=tokens)
        return self._room.fits(tokens, demand)

    def _demand(self, footprints: float, sessions: int, in_flight: int, *, alike: float = 0.0) -> Demand:
        """`alike` stands for a turn's growth until that is known: the footprint of a session like those in question."""
        growth = self._footprints.growth_tokens(alike)
        return Demand(footprints=footprints, sessions=sessions, in_flight=in_flight, growth=growth)


def _checked(window: float) -> float:
    if not window >= 1:  # true of NaN as well
        raise ValueError(f"a window must be 1 or more, not {window:g}")
    return window
