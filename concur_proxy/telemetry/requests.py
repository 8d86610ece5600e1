"""Metrics of requests and of the engines' answers."""

from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry

from concur_proxy.admission.outcome import Outcome
from concur_proxy.recognition.recogniser import DEFAULT_RECOGNISERS
from concur_proxy.telemetry.events import BROKE_MIDSTREAM, CLIENT_GONE, Attempt, RequestEvents, RequestRecord
from concur_proxy.telemetry.tallies import Count, CounterTally, HistogramTally, Spread
from concur_proxy.wire.answer.fault import GatewayFault

WAIT_BUCKETS_S = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 240, 360, 480, 600)
"""From no wait to the SDKs' default timeout of 600 s."""
DURATION_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)

BROKEN = (CLIENT_GONE, BROKE_MIDSTREAM)
"""Reasons of failure that are not one of the gateway's own error answers."""

RETRIES = {
    GatewayFault.ENGINE_UNREACHABLE.code: "unreachable",
    GatewayFault.ENGINE_BROKE.code: "broke",
    GatewayFault.ENGINE_TIMED_OUT.code: "timed_out",
    GatewayFault.GATEWAY_EXHAUSTED.code: "exhausted",
}
"""The label of a retry by the first attempt's failure."""

UNLISTED = "other"
"""Label of a model that the engine does not list: clients must not be able to add labels."""


def shown_model(record: RequestRecord, attempt: Attempt) -> str:
    """The model of the request if its engine lists it, else `UNLISTED`."""
    model, listed = record.model, attempt.listed
    return model if model is not None and listed is not None and model in listed else UNLISTED


class RequestMetrics:
    """Counters and histograms. No label names a session, because the number of sessions has no bound."""

    def __init__(self, registry: CollectorRegistry) -> None:
        wait = HistogramTally(
            "concur_queue_wait_seconds",
            "Time from a request's arrival to its admission or refusal",
            ["outcome"],
            buckets=WAIT_BUCKETS_S,
            registry=registry,
        )
        self._wait = {outcome: wait.of(outcome.value) for outcome in Outcome}
        self._duration = HistogramTally(
            "concur_request_duration_seconds",
            "Time from a request's arrival to the end of its answer, the wait included",
            ["path", "code"],
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._failures = CounterTally(
            "concur_request_failures",
            "Requests that the gateway itself answered with an error, or whose answer broke off",
            ["reason"],
            registry=registry,
        )
        self._retries = CounterTally(
            "concur_retries",
            "Requests sent to a second engine because the first one failed before it answered",
            ["reason"],
            registry=registry,
        )
        self._unkeyed = CounterTally(
            "concur_unkeyed_requests",
            "Admission-controlled requests that name no session and continue no known conversation",
            [],
            registry=registry,
        ).of()
        self._recognised = CounterTally(
            "concur_recognised_requests",
            "Admission-controlled requests whose session was found, by the recogniser that found it",
            ["by"],
            registry=registry,
        )
        self._answers = AnswerMetrics(registry)
        self.forget = self._answers.forget
        for reason in (*(fault.code for fault in GatewayFault), *BROKEN):
            self._failures.of(reason)  # exported as 0 before the first one
        for reason in RETRIES.values():
            self._retries.of(reason)
        for name in DEFAULT_RECOGNISERS:
            self._recognised.of(name)

    def subscribe(self, events: RequestEvents) -> None:
        """Count these events."""
        events.recognised.append(self._count_recognition)
        events.waited.append(self._waited)
        events.retried.append(self._retried)
        events.ended.append(self._ended)

    def _count_recognition(self, record: RequestRecord) -> None:
        (self._recognised.of(record.recognised_by) if record.recognised_by else self._unkeyed).value += 1

    def _waited(self, record: RequestRecord) -> None:
        attempt = record.attempts[-1]
        if attempt.outcome is not None:
            exemplar = _exemplar(record)
            self._wait[attempt.outcome].observe(attempt.wait_s, exemplar)
            if attempt.outcome is Outcome.ADMITTED:
                self._answers.admitted(attempt, exemplar)

    def _retried(self, record: RequestRecord) -> None:
        self._retries.of(RETRIES[record.attempts[-1].failure or ""]).value += 1

    def _ended(self, record: RequestRecord) -> None:
        status, route = record.status, record.route
        if record.is_received and route is not None and status is not None:
            self._duration.of(route, str(status)).observe(record.ended_at - record.began_at, _exemplar(record))
        if record.failures:
            self._count_failures(record)
        if status is not None and status < HTTPStatus.BAD_REQUEST:
            for attempt in record.attempts:
                if attempt.is_whole and attempt.arrived_at is not None:
                    self._answers.count(record, attempt, attempt.arrived_at)

    def _count_failures(self, record: RequestRecord) -> None:
        for reason in record.failures:
            # A client that leaves before its request is complete has asked for nothing.
            if record.is_received or reason != CLIENT_GONE:
                self._failures.of(reason).value += 1


def _exemplar(record: RequestRecord) -> dict[str, str] | None:
    """Leads from a bucket to the request's trace; OpenMetrics only. None while requests are not traced."""
    return None if record.trace_id is None else {"trace_id": record.trace_id}


class AnswerMetrics:
    """Durations and tokens of whole answers to admitted requests, by engine and model."""

    LABELS = ("engine", "model")

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str) -> HistogramTally:
            return HistogramTally(name, text, self.LABELS, buckets=DURATION_BUCKETS_S, registry=registry)

        def counter(name: str, text: str) -> CounterTally:
            return CounterTally(name, text, self.LABELS, registry=registry)

        self._total = histogram("concur_generation_duration_seconds", "Arrival to the answer's end, the wait included")
        self._engine = histogram(
            "concur_engine_generation_duration_seconds", "Admission to the answer's end, without the wait"
        )
        self._first = histogram("concur_time_to_first_token_seconds", "Arrival to a stream's first token")
        self._engine_first = histogram(
            "concur_engine_time_to_first_token_seconds", "Admission to a stream's first token, without the wait"
        )
        self._prompt = counter("concur_prompt_tokens", "Prompt tokens of answers, cached ones included")
        self._cached = counter("concur_cached_tokens", "Prompt tokens that the prefix cache held, as engines report")
        self._completion = counter("concur_completion_tokens", "Generated tokens")
        self._series: dict[tuple[str, str], _Series] = {}
        self._wait = HistogramTally(
            "concur_engine_queue_wait_seconds",
            "Time from a request's arrival to its admission to the engine",
            ["engine"],
            buckets=WAIT_BUCKETS_S,
            registry=registry,
        )

    def admitted(self, attempt: Attempt, exemplar: dict[str, str] | None) -> None:
        """Count the wait of this attempt, which has been admitted."""
        self._wait.of(attempt.engine).observe(attempt.wait_s, exemplar)

    def count(self, record: RequestRecord, attempt: Attempt, arrived_at: float) -> None:
        """Count the answer of this attempt, which has ended well."""
        labels = (attempt.engine, shown_model(record, attempt))
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._add(labels)
        total_s, exemplar = attempt.ended_at - arrived_at, _exemplar(record)
        series.total.observe(total_s, exemplar)
        series.engine.observe(total_s - attempt.wait_s, exemplar)
        if record.is_stream and attempt.first_token_at is not None:
            first_s = attempt.first_token_at - arrived_at
            series.first.observe(first_s, exemplar)
            series.engine_first.observe(first_s - attempt.wait_s, exemplar)
        usage = attempt.usage
        if usage is not None:
            series.prompt.value += usage.prompt_tokens
            series.cached.value += usage.cached_tokens or 0
            series.completion.value += usage.completion_tokens

    def forget(self, engine: str) -> None:
        """Remove the engine's series: the engine is gone, and series of past pods would grow without bound."""
        self._wait.remove(engine)
        gone = {labels for labels in self._series if labels[0] == engine}
        for family in (self._total, self._engine, self._first, self._engine_first):
            for labels in gone:
                family.remove(*labels)
        for tokens in (self._prompt, self._cached, self._completion):
            for labels in gone:
                tokens.remove(*labels)
        for labels in gone:
            del self._series[labels]

    def _add(self, labels: tuple[str, str]) -> "_Series":
        return _Series(
            total=self._total.of(*labels),
            engine=self._engine.of(*labels),
            first=self._first.of(*labels),
            engine_first=self._engine_first.of(*labels),
            prompt=self._prompt.of(*labels),
            cached=self._cached.of(*labels),
            completion=self._completion.of(*labels),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """The series of one engine and model. Looking each one up for every answer costs more than counting it."""

    total: Spread
    engine: Spread
    first: Spread
    engine_first: Spread
    prompt: Count
    cached: Count
    completion: Count
