"""What a request tells its trace. Without a collector nobody listens, and it costs next to nothing."""

from types import TracebackType
from typing import Protocol, Self

from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.headers import Headers

CONTEXT_HEADERS = frozenset({b"traceparent", b"tracestate"})
"""By which a trace goes on from one process to the next: W3C Trace Context."""


class Span(Protocol):
    """A part of a request's time, from `with` to its end."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End, whatever has happened."""
        ...


class WaitSpan(Span, Protocol):
    """The wait for the session's place."""

    def decided(self, outcome: str, engine: str) -> None:
        """How it ended, and whose place it was; empty where nobody has decided that."""
        ...


class RelaySpan(Span, Protocol):
    """The way to one engine and back."""

    @property
    def context(self) -> Headers:
        """The headers that make the engine's own spans children of this one; none without tracing."""
        ...

    def answered(self, status: int) -> None:
        """The engine's answer has begun."""
        ...

    def failed(self, reason: str) -> None:
        """There was none, or it broke off."""
        ...

    def told(self, usage: Usage | None, first_token_s: float | None) -> None:
        """What the answer cost, and when its first token came, in seconds from the beginning of this span."""
        ...


class RequestSpan(Span, Protocol):
    """One request from its first byte here to the last byte of its answer."""

    @property
    def trace_id(self) -> str | None:
        """By which log lines name the trace, 32 hexadecimal digits; None where nobody collects it."""
        ...

    def routed(self, route: str) -> None:
        """It is for this entry of the endpoints' catalogue."""
        ...

    def of_session(self, session: str) -> None:
        """Its session, named as it may be shown."""
        ...

    def wait(self) -> WaitSpan:
        """It waits for its session's place from here on."""
        ...

    def relay(self, *, engine: str, url: str, provider: str | None, model: str | None, is_stream: bool) -> RelaySpan:
        """It goes to this engine at `url` from here on, which is a `provider` (`vllm`, `sglang`; None: not known)."""
        ...

    def ended(self, status: int | None, failure: str | None) -> None:
        """The client got this status, or nothing; `failure` where the gateway itself or a broken answer is why."""
        ...


class Tracing(Protocol):
    """Where the spans of all requests go."""

    def request(self, method: str, path: str, headers: Headers, request_id: str | None) -> RequestSpan:
        """A request has come; it goes on with the trace that its headers name, where they do."""
        ...

    async def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        ...


class _NoSpan:
    """Hears nothing."""

    context: Headers = []  # noqa: RUF012 - never changed
    trace_id = None

    def _begin(self, *_: object, **__: object) -> Self:
        return self

    def _hear(self, *_: object, **__: object) -> None:
        pass

    __enter__ = wait = relay = _begin
    __exit__ = routed = of_session = decided = answered = failed = told = ended = _hear


NO_SPAN = _NoSpan()


class NoTracing:
    """Nobody collects spans."""

    def request(self, *_: object, **__: object) -> RequestSpan:
        """A span that hears nothing."""
        return NO_SPAN

    async def close(self) -> None:
        """There is nothing left."""
