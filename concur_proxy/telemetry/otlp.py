"""Spans to an OpenTelemetry collector, over OTLP/HTTP.

A request is a server span with the wait for its session's place and the way to the engine as children, a pair of them
for each engine that it was sent to. Attributes are those of OpenTelemetry's conventions for HTTP and for generative AI;
what these have no name for begins with `concur.`. Whatever else is to be set (sampler, headers, certificates, resource)
is set by OpenTelemetry's own variables, `OTEL_*`.
"""

import asyncio
import threading
from contextlib import suppress
from importlib.metadata import version
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from concur_proxy.telemetry.tracing import CONTEXT_HEADERS, RelaySpan, RequestSpan, WaitSpan
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.headers import Headers

TRACES_PATH = "/v1/traces"
CLOSING_S = 5.0
"""How long the last spans may take: a collector that is gone must not keep the gateway from stopping."""
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
"""Whose API it is, where the engine's kind is not known."""


class OtlpTracing:
    """Gives each request its spans, and sends them in batches from a thread of its own.

    `endpoint` is the collector's base URL, as in `http://collector:4318`. Without a collector spans are dropped; the
    log says so.
    """

    def __init__(self, endpoint: str, *, instance: str) -> None:
        """`instance`: this process' name among its replicas."""
        told = OTELResourceDetector().detect().attributes
        own = {
            "service.name": "concur-proxy",
            "service.version": version("concur-proxy"),
            "service.instance.id": instance,
        }
        self._provider = TracerProvider(resource=Resource.create({**own, **told}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("concur_proxy")

    def request(self, method: str, path: str, headers: Headers, request_id: str | None) -> RequestSpan:
        """A request has come; it goes on with the trace that its headers name, where they do."""
        carrier: dict[str, str] = {}
        for name, value in headers:
            if name in CONTEXT_HEADERS:  # several fields are one list; of two parents there is none
                text, before = value.decode("latin-1"), carrier.get(name.decode())
                carrier[name.decode()] = text if before is None else f"{before},{text}"
        parent = _PROPAGATOR.extract(carrier, context=Context())
        attributes = {"http.request.method": method, "url.path": path, "url.scheme": "http"}
        if request_id is not None:
            attributes["concur.request_id"] = request_id
        agent = next((value for name, value in headers if name == b"user-agent"), None)
        if agent is not None:
            attributes["user_agent.original"] = agent.decode("latin-1")
        span = self._tracer.start_span(method, context=parent, kind=SpanKind.SERVER, attributes=attributes)
        return _Request(self._tracer, span, method)

    async def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        loop, is_closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(is_closed.set)

        # A daemon: neither the event loop's end nor the interpreter's waits for it.
        threading.Thread(target=shut_down, daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await is_closed.wait()


class _Open:
    """A span that ends with its `with` block; what breaks the block off is told as its error."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._is_told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and not self._is_told:
            if issubclass(kind, asyncio.CancelledError):  # the client has left, or the gateway stops: no error of ours
                self._span.set_attribute("error.type", "client_gone")
            else:
                self._fail(kind.__name__)
        self._span.end()

    def _fail(self, reason: str) -> None:
        self._is_told = True
        self._span.set_attribute("error.type", reason)
        self._span.set_status(StatusCode.ERROR)


class _Request(_Open):
    def __init__(self, tracer: trace.Tracer, span: trace.Span, method: str) -> None:
        super().__init__(span)
        self._tracer = tracer
        self._method = method
        self._route = ""
        self._session: str | None = None
        self._context = trace.set_span_in_context(span, Context())
        context = span.get_span_context()
        self.trace_id = trace.format_trace_id(context.trace_id) if span.is_recording() else None

    def routed(self, route: str) -> None:
        self._route = route
        self._span.update_name(f"{self._method} {route}")
        self._span.set_attribute("http.route", route)

    def of_session(self, session: str) -> None:
        self._session = session
        self._span.set_attribute("gen_ai.conversation.id", session)

    def wait(self) -> WaitSpan:
        span = self._tracer.start_span("queue wait", context=self._context)
        if self._session is not None:
            span.set_attribute("gen_ai.conversation.id", self._session)
        return _Wait(span)

    def relay(self, *, engine: str, url: str, provider: str | None, model: str | None, is_stream: bool) -> RelaySpan:
        parts = urlsplit(url)
        attributes: dict[str, str | int | bool] = {
            "http.request.method": self._method,
            "server.address": parts.hostname or "",
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
            "concur.engine": engine,
        }
        operation = OPERATIONS.get(self._route)
        name = f"{self._method} {self._route}"
        if operation is not None:
            name = operation if model is None else f"{operation} {model}"
            attributes["gen_ai.operation.name"] = operation
            attributes["gen_ai.provider.name"] = provider or _DEFAULT_PROVIDER
            attributes["gen_ai.request.stream"] = is_stream
        if model is not None:
            attributes["gen_ai.request.model"] = model
        if self._session is not None:
            attributes["gen_ai.conversation.id"] = self._session
        span = self._tracer.start_span(name, context=self._context, kind=SpanKind.CLIENT, attributes=attributes)
        return _Relay(span)

    def ended(self, status: int | None, failure: str | None) -> None:
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is not None and status >= SERVER_ERRORS:
            self._fail(failure or str(status))
        elif failure is not None:
            self._is_told = True
            self._span.set_attribute("error.type", failure)


class _Wait(_Open):
    def decided(self, outcome: str, engine: str) -> None:
        self._span.set_attribute("concur.outcome", outcome)
        if engine:
            self._span.set_attribute("concur.engine", engine)


class _Relay(_Open):
    @property
    def context(self) -> Headers:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, context=trace.set_span_in_context(self._span, Context()))
        return [(name.encode(), value.encode("latin-1", "replace")) for name, value in carrier.items()]

    def answered(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= CLIENT_ERRORS:
            self._fail(str(status))

    def failed(self, reason: str) -> None:
        self._fail(reason)

    def told(self, usage: Usage | None, first_token_s: float | None) -> None:
        if first_token_s is not None:
            self._span.set_attribute("gen_ai.response.time_to_first_chunk", first_token_s)
        if usage is None:
            return
        self._span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
        self._span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
        if usage.cached_tokens is not None:
            self._span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens)
