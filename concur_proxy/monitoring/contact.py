"""Whether one engine can be reached: answers and failures move its circuit, and the circuit moves requests."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from concur_proxy.admission.changes import Reachable
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.circuit import Circuit, CircuitState

logger = logging.getLogger(__name__)

FAILED = frozenset({500, 502, 504})
"""Statuses that say that an engine, or a proxy in front of it, cannot serve. 429 and 503 only say "not now"."""


class CircuitEvent(Protocol):
    """A method of `Circuit` that reports an event."""

    def __call__(self, *, now: float) -> None: ...


class EngineContact:
    """Keeps whether one engine can be reached. Requests, scrapes and health checks report what they have seen."""

    def __init__(self, *, engine: str, coordinator: Coordinator, clock: Callable[[], float]) -> None:
        self.engine = engine
        self.has_answered = False
        """Whether the engine has ever answered anything."""
        self.on_up: Callable[[], None] = lambda: None
        """Called when the engine answers for the first time, or again after it was down."""
        self.circuit = Circuit()
        self._coordinator = coordinator
        self._clock = clock

    @property
    def is_up(self) -> bool:
        """False while the engine's circuit is open."""
        return self.engine not in self._coordinator.fleet.down

    def on_answer(self, status: int) -> None:
        """The engine answered a client's request with this status."""
        if status in FAILED:
            self.has_answered = True
            self._move(self.circuit.failed, f"it answers requests with {status}")
        else:
            self._on_contact(self.circuit.answered, "it answers requests")

    def on_broken(self, reason: str) -> None:
        """The engine broke off a client's request before it answered."""
        self._move(self.circuit.failed, reason)

    def on_unreachable(self, reason: str) -> None:
        """A connection to the engine failed."""
        self._move(self.circuit.refused, f"unreachable: {reason}")

    def on_health(self, status: int, _: bytes) -> None:
        """The engine answered `GET /health`. Every status below 500 means healthy: a server may lack this path."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._move(self.circuit.unhealthy, f"its health check answers {status}")
        else:
            self._on_contact(self.circuit.healthy, "its health check is answered")

    def on_health_silence(self, reason: str) -> None:
        """The engine did not answer `GET /health` in time."""
        self._move(self.circuit.missed, reason)

    def _on_contact(self, event: CircuitEvent, reason: str) -> None:
        was_up = self.has_answered and self.is_up
        self.has_answered = True
        self._move(event, reason)
        if not was_up and self.is_up:
            self.on_up()

    def _move(self, event: CircuitEvent, reason: str) -> None:
        """Report an event to the circuit. If its state changes, tell the coordinator and log `reason`."""
        before = self.circuit.state
        event(now=self._clock())
        state = self.circuit.state
        if state is before:
            return
        if state is CircuitState.OPEN:
            logger.warning("engine %s: circuit open, requests go to other engines: %s", self.engine, reason)
            self._coordinator.apply(Reachable(engine=self.engine, is_up=False))
        elif state is CircuitState.HALF_OPEN:
            logger.info("engine %s: circuit half open, requests go there again: %s", self.engine, reason)
            self._coordinator.apply(Reachable(engine=self.engine, is_up=True))
        else:
            logger.info("engine %s: circuit closed: %s", self.engine, reason)
