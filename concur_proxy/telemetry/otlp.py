"""Spans to an OpenTelemetry collector, over OTLP/HTTP.

A request is a server span. Its children are the wait for admission and the way to the engine, a pair for each attempt.
Attributes follow OpenTelemetry's conventions for HTTP and for generative AI. Attributes without a convention begin with
`concur.`. Everything else (sampler, headers, certificates, resource) is set by OpenTelemetry's own variables, `OTEL_*`.
"""

import asyncio
import threading
import time
from contextlib import suppress
from importlib.metadata import version
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from concur_proxy.admission.outcome import Outcome
from concur_proxy.telemetry.events import CLIENT_GONE, Attempt, RequestEvents, RequestRecord
from concur_proxy.wire.headers import TRACE_CONTEXT

TRACES_PATH = "/v1/traces"
CLOSING_S = 5.0
"""How long the last spans may take. A collector that does not answer must not keep the gateway from stopping."""
SERVER_ERRORS = 500
CLIENT_ERRORS = 400

OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/chat/completions/batch": "chat",
    "/v1/responses": "chat",
    "/v1/messages": "chat",
    "/cohere/v2/chat": "chat",
    "/v1/completions": "text_completion",
    "/generate": "text_completion",
    "/vertex_generate": "text_completion",
    "/inference/v1/generate": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v2/embed": "embeddings",
}
"""`gen_ai.operation.name` of the paths that have one."""

_PROPAGATOR = TraceContextTextMapPropagator()
_DEFAULT_PROVIDER = "openai"
"""The provider where the engine's kind is not known: it is OpenAI's API."""


class OtlpTracing:
    """Gives each request its spans and sends them in batches from a thread of its own. Without a collector spans are
    dropped, and the log says so.
    """

    def __init__(self, endpoint: str, *, instance: str) -> None:
        """`endpoint` is the collector's base URL, such as `http://collector:4318`. `instance` is this process's name
        among the replicas.
        """
        configured = OTELResourceDetector().detect().attributes
        own = {
            "service.name": "concur-proxy",
            "service.version": version("concur-proxy"),
            "service.instance.id": instance,
        }
        self._provider = TracerProvider(resource=Resource.create({**own, **configured}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("concur_proxy")
        self._open: dict[RequestRecord, _Spans] = {}

    def subscribe(self, events: RequestEvents) -> None:
        """Trace these requests."""
        events.began.append(self._began)
        events.sent.append(self._sent)
        events.ended.append(self._ended)

    async def close(self) -> None:
        """Send the last spans, for `CLOSING_S` at most."""
        loop, is_closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(is_closed.set)

        # A daemon thread: neither the event loop's end nor the interpreter's waits for it.
        threading.Thread(target=shut_down, daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await is_closed.wait()

    def _began(self, record: RequestRecord) -> None:
        """Start the server span. It continues the trace that the request's headers name."""
        carrier: dict[str, str] = {}
        agent: bytes | None = None
        for name, value in record.headers:
            if name in TRACE_CONTEXT:  # several fields form one list; with two parents the trace has no parent
                text, before = value.decode("latin-1"), carrier.get(name.decode())
                carrier[name.decode()] = text if before is None else f"{before},{text}"
            elif name == b"user-agent" and agent is None:
                agent = value
        attributes = {"http.request.method": record.method, "url.path": record.path, "url.scheme": "http"}
        if record.request_id is not None:
            attributes["concur.request_id"] = record.request_id
        if agent is not None:
            attributes["user_agent.original"] = agent.decode("latin-1")
        parent = _PROPAGATOR.extract(carrier, context=Context())
        span = self._tracer.start_span(record.method, context=parent, kind=SpanKind.SERVER, attributes=attributes)
        if span.is_recording():
            record.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        self._open[record] = _Spans(span, record.began_at)

    def _sent(self, record: RequestRecord) -> None:
        """Start the span of an attempt, and let the engine's own spans be its children."""
        attempt, spans = record.attempts[-1], self._open[record]
        operation = OPERATIONS.get(record.route or "")
        name = f"{record.method} {record.route}"
        if operation is not None:
            name = operation if record.model is None else f"{operation} {record.model}"
        span = self._tracer.start_span(
            name,
            context=spans.context,
            kind=SpanKind.CLIENT,
            attributes=_attempt_attributes(record, attempt, operation),
        )
        spans.attempts[attempt] = span
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, context=trace.set_span_in_context(span, Context()))
        record.context = [(name.encode(), value.encode("latin-1", "replace")) for name, value in carrier.items()]

    def _ended(self, record: RequestRecord) -> None:
        """End all spans, each at the time at which its part of the request ended."""
        spans = self._open.pop(record)
        for attempt in record.attempts:
            if attempt.outcome is not None and attempt.arrived_at is not None:
                self._add_wait(record, spans, attempt, attempt.arrived_at)
            if (span := spans.attempts.get(attempt)) is not None:
                _complete_attempt(span, record, attempt)
                span.end(spans.wall_ns(attempt.ended_at))
        server, status, failure = spans.server, record.status, record.failure
        if record.route is not None:
            server.update_name(f"{record.method} {record.route}")
            server.set_attribute("http.route", record.route)
        if record.session is not None:
            server.set_attribute("gen_ai.conversation.id", record.session)
        if status is not None:
            server.set_attribute("http.response.status_code", status)
        if status is not None and status >= SERVER_ERRORS:
            _fail(server, failure or str(status))
        elif failure is not None:
            server.set_attribute("error.type", failure)
        server.end(spans.wall_ns(record.ended_at))

    def _add_wait(self, record: RequestRecord, spans: "_Spans", attempt: Attempt, arrived_at: float) -> None:
        attributes = {"concur.outcome": "" if attempt.outcome is None else attempt.outcome.value}
        if attempt.engine:
            attributes["concur.engine"] = attempt.engine
        if record.session is not None:
            attributes["gen_ai.conversation.id"] = record.session
        start = spans.wall_ns(arrived_at)
        span = self._tracer.start_span("queue wait", context=spans.context, attributes=attributes, start_time=start)
        if attempt.outcome is Outcome.CLIENT_GONE and attempt.failure is not None:
            _break_off(span, attempt.failure)
        span.end(spans.wall_ns(arrived_at + attempt.wait_s))


class _Spans:
    """The open spans of one request."""

    def __init__(self, server: trace.Span, began_at: float) -> None:
        self.server = server
        self.context = trace.set_span_in_context(server, Context())
        self.attempts: dict[Attempt, trace.Span] = {}
        self._began_at = began_at
        self._began_ns = time.time_ns()

    def wall_ns(self, at: float) -> int:
        """Return a time of the gateway's clock as nanoseconds since 1970."""
        return self._began_ns + round((at - self._began_at) * 1e9)


def _attempt_attributes(record: RequestRecord, attempt: Attempt, operation: str | None) -> dict[str, str | int | bool]:
    parts = urlsplit(attempt.url)
    attributes: dict[str, str | int | bool] = {
        "http.request.method": record.method,
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        "concur.engine": attempt.engine,
    }
    if operation is not None:
        attributes["gen_ai.operation.name"] = operation
        attributes["gen_ai.provider.name"] = attempt.kind or _DEFAULT_PROVIDER
        attributes["gen_ai.request.stream"] = record.is_stream
    if record.model is not None:
        attributes["gen_ai.request.model"] = record.model
    if record.session is not None:
        attributes["gen_ai.conversation.id"] = record.session
    return attributes


def _complete_attempt(span: trace.Span, record: RequestRecord, attempt: Attempt) -> None:
    """Add what the answer has shown."""
    status, usage = attempt.status, attempt.usage
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if status is not None and status >= CLIENT_ERRORS and attempt.failure in {None, CLIENT_GONE}:
        _fail(span, str(status))
    elif attempt.failure is not None:
        _break_off(span, attempt.failure)
    if attempt.failure == CLIENT_GONE:
        return
    if record.is_stream and attempt.first_token_at is not None and attempt.sent_at is not None:
        span.set_attribute("gen_ai.response.time_to_first_chunk", attempt.first_token_at - attempt.sent_at)
    if usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
        if usage.cached_tokens is not None:
            span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens)


def _break_off(span: trace.Span, failure: str) -> None:
    """Set the reason why a span broke off. A client that leaves is no error of ours."""
    if failure == CLIENT_GONE:
        span.set_attribute("error.type", failure)
    else:
        _fail(span, failure)


def _fail(span: trace.Span, reason: str) -> None:
    span.set_attribute("error.type", reason)
    span.set_status(StatusCode.ERROR)
