"""A circuit breaker per engine: whether requests should go there.

    CLOSED ──── no connection, or failures in a row ────► OPEN ◄──────────── any failure ────────────┐
       ▲                                                   │                                         │
       │                                 it answers again after the cooldown                         │
       │                                                   ▼                                         │
       └──────── a client's request is answered, ───── HALF_OPEN ────────────────────────────────────┘
                 or probation passes

While the circuit is open, an engine gets no request that another engine can take. While it is half open, the engine
gets requests again, and the first failure opens the circuit for longer than before.
"""

from enum import Enum

FAILURES = 5
"""Failures in a row that open the circuit. More than three, because an SDK sends a failing request three times."""
FAILURES_SPAN_S = 60.0
"""Failures that are further apart do not count as a row."""
UNHEALTHY_WEIGHT = 3
"""A health check that reports an error counts as this many failures, so the second one opens the circuit."""
FIRST_COOLDOWN_S = 1.0
LONGEST_COOLDOWN_S = 30.0
"""The cooldown doubles each time the circuit opens again before it was closed."""
PROBATION_S = 10.0
"""After this time without a failure a half-open circuit closes, even if no client has sent a request."""


class CircuitState(Enum):
    """The values are metric labels."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Circuit:
    """The circuit of one engine. Times are seconds of the caller's monotonic clock."""

    def __init__(self) -> None:
        self._state = CircuitState.CLOSED
        self._since = 0.0
        self._cooldown_s = 0.0
        self._openings = 0
        """How often it has opened since it was last closed."""
        self._is_unhealthy = False
        self._failed_requests = _Row()
        self._failed_probes = _Row()

    @property
    def state(self) -> CircuitState:
        return self._state

    def answered(self, *, now: float) -> None:
        """The engine answered a client's request."""
        self._failed_requests.end()
        self._failed_probes.end()
        if self._state is CircuitState.HALF_OPEN:
            self._close(now)
        elif self._state is CircuitState.OPEN:
            self._reconsider(now)

    def failed(self, *, now: float) -> None:
        """The engine broke off a client's request before it answered, or answered with a server error."""
        self._count(self._failed_requests, 1, now)

    def refused(self, *, now: float) -> None:
        """The engine refuses connections. The first time there is no cooldown: it may be back at any moment."""
        if self._state is not CircuitState.OPEN:
            self._open(now, cooldown_s=0.0 if self._openings == 0 else None)

    def heard(self, *, now: float) -> None:
        """The engine answered a scrape."""
        self._failed_probes.end()
        self._pass(now)

    def missed(self, *, now: float) -> None:
        """The engine did not answer a scrape or a health check in time."""
        self._count(self._failed_probes, 1, now)

    def healthy(self, *, now: float) -> None:
        """The engine's health check reports that it is healthy."""
        self._is_unhealthy = False
        self.heard(now=now)

    def unhealthy(self, *, now: float) -> None:
        """The engine's health check reports an error."""
        self._is_unhealthy = True
        self._count(self._failed_probes, UNHEALTHY_WEIGHT, now)

    def _count(self, row: "_Row", weight: int, now: float) -> None:
        if self._state is CircuitState.HALF_OPEN or row.add(weight, now) >= FAILURES:
            self._open(now, cooldown_s=None)

    def _pass(self, now: float) -> None:
        if self._state is CircuitState.OPEN:
            self._reconsider(now)
        elif self._state is CircuitState.HALF_OPEN and now >= self._since + PROBATION_S:
            self._close(now)

    def _reconsider(self, now: float) -> None:
        if not self._is_unhealthy and now >= self._since + self._cooldown_s:
            self._state, self._since = CircuitState.HALF_OPEN, now

    def _close(self, now: float) -> None:
        self._state, self._since, self._openings = CircuitState.CLOSED, now, 0

    def _open(self, now: float, *, cooldown_s: float | None) -> None:
        if self._state is CircuitState.OPEN:
            return
        if cooldown_s is None:
            cooldown_s = min(FIRST_COOLDOWN_S * 2**self._openings, LONGEST_COOLDOWN_S)
        self._state, self._since, self._cooldown_s = CircuitState.OPEN, now, cooldown_s
        self._openings = min(self._openings + 1, 10)
        self._failed_requests.end()
        self._failed_probes.end()


class _Row:
    """Counts failures in a row."""

    def __init__(self) -> None:
        self._weight = 0
        self._last = 0.0

    def add(self, weight: int, now: float) -> int:
        self._weight = weight + (self._weight if now - self._last <= FAILURES_SPAN_S else 0)
        self._last = now
        return self._weight

    def end(self) -> None:
        self._weight = 0
