"""How many sessions may be active: the windows in sessions and in tokens, and the work-conserving rule beside them."""

import math

from concur_proxy.admission.accounts import FootprintEstimator
from concur_proxy.admission.places import Places
from concur_proxy.admission.room import Demand, EngineLoad, Room
from concur_proxy.control.law import Budget

GROWING_TURNS = 0.35
"""Growth of a turn that is charged to each session when somebody may have to pause: what is in flight is growing."""
REPRIEVE_SHARE = 0.9
"""A session told to pause may stay after all when its fellows fill no more than this of the budget: at the very limit
it would be told to pause again with the next token.
"""


class Limits:
    """Judges the sessions that hold a place; changes none."""

    def __init__(
        self, *, places: Places, footprints: FootprintEstimator, window: float, work_conserving: bool = True
    ) -> None:
        """`ValueError` for a window under 1, NaN included: nobody would ever be admitted."""
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
        """What their caches may fill beside that; None: anything."""
        return self._budget

    def resize(self, window: float, budget: Budget | None) -> None:
        """Set both windows."""
        self._window, self._budget = _checked(window), budget
        self._room.limit_tokens = math.inf if budget is None else budget.tokens

    def observe(self, load: EngineLoad | None) -> None:
        """The engine's newest reading, or None when there is none to be trusted."""
        self._room.observe(load)

    def admitted(self, tokens: float) -> None:
        """A session of this footprint has got a place."""
        self._room.released(tokens)

    def reason_to_admit(self, tokens: float, *, in_flight: int) -> str | None:
        """`window` or `room`, by whichever one more session of this footprint may be active; None if by neither."""
        if len(self._places) + 1 <= self._window and self._fits_budget(tokens):
            return "window"
        return "room" if self._has_room(tokens, in_flight) else None

    def are_exceeded(self, *, in_flight: int) -> bool:
        """Whether one of the sessions with a place must pause, those aside that are about to."""
        places = self._places
        if self._budget is not None:
            growing = GROWING_TURNS * self._footprints.growth_tokens(0.0) * places.steady
            over = places.steady_tokens + growing > self._budget.tokens and places.steady > 1
            return places.steady > self._window or over
        if places.steady <= self._window:
            return False
        # Nobody is paused whose cache fits.
        demand = self._demand(places.steady_tokens, places.steady, in_flight)
        return not (self._work_conserving and self._room.holds(demand))

    def allow_reprieve(self, *, in_flight: int) -> bool:
        """Whether one of the sessions that are about to pause may stay after all."""
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
        """`alike` is the footprint of a session like those in question, for as long as their growth is unknown."""
        growth = self._footprints.growth_tokens(alike)
        return Demand(footprints=footprints, sessions=sessions, in_flight=in_flight, growth=growth)


def _checked(window: float) -> float:
    if not window >= 1:  # true of NaN as well
        raise ValueError(f"a window must be 1 or more, not {window:g}")
    return window
