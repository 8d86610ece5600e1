"""Logs when the target of a gate's goal cannot be met, and when it is met again."""

import logging

from concur_proxy.admission.goal import GoalStanding
from concur_proxy.control.phrasing import duration

logger = logging.getLogger(__name__)

SHORTEST_S = 60.0
"""Shortest time between two lines about one engine: a target that is met now and then fills no log."""


class GoalWatch:
    """Follows the goal at one engine."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._is_met = True
        self._logged_at = float("-inf")

    def note(self, standing: GoalStanding, *, now: float) -> None:
        """Log if the target is met and was not before, or the other way round."""
        if standing.is_met is None or standing.is_met is self._is_met or now - self._logged_at < SHORTEST_S:
            return
        if standing.target_s is None or standing.first_token_p99_s is None:
            return
        self._is_met, self._logged_at = standing.is_met, now
        target, p99 = duration(standing.target_s), duration(standing.first_token_p99_s)
        if standing.is_met:
            logger.info("engine %s: first tokens come within %s again (99 %% within %s)", self._engine, target, p99)
            return
        logger.warning(
            "engine %s: the target for the first token, %s, is not met: 99 %% come within %s; this engine needs less "
            "load, or the target must be longer",
            self._engine,
            target,
            p99,
        )
