"""How fast the queue moves, and so how long a place in it takes."""


class DrainRate:
    """A moving average of the time between two sessions leaving the queue by admission."""

    SMOOTHING = 0.2
    """Weight of the newest interval."""
    UNKNOWN_WAIT_S = 5.0
    """Answer for a queue from which nobody has left yet."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._interval_s: float | None = None

    def admitted(self, now: float) -> None:
        """A session left the queue by admission."""
        if self._last is not None:
            interval = now - self._last
            self._interval_s = (
                interval
                if self._interval_s is None
                else self._interval_s + self.SMOOTHING * (interval - self._interval_s)
            )
        self._last = now

    def queue_emptied(self) -> None:
        """The time until the next admission is no drain interval: nobody waited."""
        self._last = None

    def expected_wait_s(self, position: int, *, now: float) -> float:
        """Seconds until the session at `position` (1 is next) will probably be admitted.

        When nobody has left for longer than the average interval, the silence counts as the interval: a stalled queue
        says so.
        """
        if self._interval_s is None:
            silence = 0.0 if self._last is None else now - self._last
            return max(self.UNKNOWN_WAIT_S, silence) * position
        silence = 0.0 if self._last is None else now - self._last
        return max(self._interval_s, silence / 2) * position
