"""Series about requests, counted as they pass."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from concur_proxy.admission.outcome import Outcome
from concur_proxy.wire.answer.fault import GatewayFault

QUEUE_WAIT_BUCKETS_S = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 240, 360, 480, 600)
"""From no wait to the SDKs' default time-out of 600 s."""
DURATION_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)

BROKEN = ("client_gone", "engine_broke_midstream")
"""Reasons of failure beside the gateway's own error answers."""


class RequestMetrics:
    """Counters and histograms of requests. No label names a session: their number has no bound."""

    def __init__(self, registry: CollectorRegistry) -> None:
        wait = Histogram(
            "concur_queue_wait_seconds",
            "Time from a request's arrival to its admission or refusal",
            ["outcome"],
            buckets=QUEUE_WAIT_BUCKETS_S,
            registry=registry,
        )
        self._wait = {outcome: wait.labels(outcome.value) for outcome in Outcome}
        self._duration = Histogram(
            "concur_request_duration_seconds",
            "Time from a request's arrival to the end of its answer, the queue included",
            ["path", "code"],
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._known: dict[tuple[str, int], Histogram] = {}
        self._failures = Counter(
            "concur_request_failures",
            "Requests that the gateway itself answered with an error, or whose answer broke",
            ["reason"],
            registry=registry,
        )
        for reason in (*(fault.code for fault in GatewayFault), *BROKEN):
            self._failures.labels(reason)  # exported as 0 before the first
        self._retries = Counter(
            "concur_retries",
            "Requests sent to a second engine, as the first one failed before it answered",
            ["reason"],
            registry=registry,
        )
        for reason in ("unreachable", "broke"):
            self._retries.labels(reason)
        self._unkeyed = Counter(
            "concur_unkeyed_requests", "Admission-controlled requests without a session key", registry=registry
        )

    def retried(self, reason: str) -> None:
        """A request was sent to a second engine."""
        self._retries.labels(reason).inc()

    def waited(self, outcome: Outcome, seconds: float) -> None:
        """A request's wait, of whatever length, has ended."""
        self._wait[outcome].observe(seconds)

    def answered(self, path: str, code: int, seconds: float) -> None:
        """An answer has ended. `path` is the endpoint's catalogue entry, never the client's text; `code` the status."""
        key = (path, code)
        histogram = self._known.get(key)
        if histogram is None:
            histogram = self._known[key] = self._duration.labels(path, str(code))
        histogram.observe(seconds)

    def failed(self, reason: str) -> None:
        """The gateway answered with an error of its own, or an answer broke off."""
        self._failures.labels(reason).inc()

    def unkeyed(self) -> None:
        """A request came without a session key."""
        self._unkeyed.inc()
