"""How fast the queue moves, and so how long a place in it takes."""


class AdmissionRate:
    """Watches one queue. Its interval is the time for which sessions waited, divided by the number of sessions that
    were admitted meanwhile; older movements count less.

    Retry-After carries the expected wait to clients, and some give up after three tries. So a queue that stands still
    must never look fast: the expected wait is at least as long as nobody has been admitted.
    """

    SMOOTHING = 0.2
    """Share by which each movement of the queue makes all earlier ones count less."""
    UNKNOWN_WAIT_S = 5.0
    """Assumed interval while nobody has left a queue yet."""

    def __init__(self) -> None:
        self._time_s = 0.0
        """Time for which sessions waited, faded."""
        self._admitted = 0.0
        """Sessions that were admitted in that time, faded."""
        self._moved_at: float | None = None
        """When the queue has moved last, or has formed; None while nobody waits."""
        self._newcomer_moved_at = 0.0
        """When a newcomer has left the queue last, or the queue has formed. Only valid while somebody waits."""

    def admitted(self, now: float, *, is_newcomer: bool) -> None:
        """A session left the queue by admission. A newcomer has not had a place before."""
        if self._moved_at is None:
            return  # it did not have to wait
        if now > self._moved_at:
            self._time_s += now - self._moved_at - self.SMOOTHING * self._time_s
            self._admitted -= self.SMOOTHING * self._admitted
        self._admitted += 1.0
        self._moved_at = now
        if is_newcomer:
            self._newcomer_moved_at = now

    def queue_stands(self, now: float) -> None:
        """Sessions wait, and nobody else can be admitted now."""
        if self._moved_at is None:
            self._moved_at = self._newcomer_moved_at = now

    def queue_emptied(self) -> None:
        """Nobody waits. The time until somebody does says nothing about how fast the queue moves."""
        self._moved_at = None

    def expected_wait_s(self, position: int, *, now: float, is_newcomer: bool = True) -> float:
        """Seconds until the session at `position` (1 is next) will probably be admitted.

        If the queue has stood still for longer than the interval, half of that time counts as the interval. The answer
        is at least the time for which the queue has stood still; for a newcomer, the time since the last newcomer was
        admitted, because sessions that resume may pass it.
        """
        interval_s = self._time_s / self._admitted if self._time_s else self.UNKNOWN_WAIT_S
        if self._moved_at is None:
            return interval_s * position
        still_s = now - self._moved_at
        passed_s = now - self._newcomer_moved_at if is_newcomer else still_s
        return max(interval_s * position, still_s / 2 * position, passed_s)
