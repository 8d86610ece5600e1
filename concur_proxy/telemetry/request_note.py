"""What is known of the request that is being served: every log line about it says so, and one at its end if asked."""

import logging
from contextvars import ContextVar
from hashlib import sha256

import msgspec

from concur_proxy.telemetry.tracing import NO_SPAN, RequestSpan
from concur_proxy.wire.answer.usage import Usage

logger = logging.getLogger(__name__)

HASH_CHARS = 16


class RequestNote(msgspec.Struct, kw_only=True):
    """Facts of one request, as they become known; what is not known is None. Its trace is told of them at once.

    A msgspec.Struct, as it is made for every request.
    """

    method: str
    request_id: str | None = None
    span: RequestSpan = NO_SPAN
    route: str | None = None
    """The endpoint's catalogue entry, never the client's text."""
    session: str | None = None
    """Its session, named as it may be shown."""
    engine: str | None = None
    """The engine that it was sent to last."""
    model: str | None = None
    is_stream: bool = False
    wait_s: float | None = None
    """How long it was held, over all engines that it waited for."""
    first_token_s: float | None = None
    """From its arrival to the first token of a streamed answer."""
    usage: Usage | None = None
    failure: str | None = None
    """Why the gateway itself answered with an error, or the answer broke off."""

    def routed(self, route: str) -> None:
        """It is for this entry of the catalogue."""
        self.route = route
        self.span.routed(route)

    def of_session(self, session: str) -> None:
        """Its session, named as it may be shown."""
        self.session = session
        self.span.of_session(session)

    def held(self, seconds: float) -> None:
        """It has waited so long for an engine."""
        self.wait_s = seconds + (self.wait_s or 0.0)

    def ended(self, status: int | None) -> None:
        """The client has got this status, or nothing."""
        self.span.ended(status, self.failure)


NOTE: ContextVar[RequestNote | None] = ContextVar("request_note", default=None)
"""The request that the present task serves."""


def shown_session(key: str, *, hashed: bool) -> str:
    """A session's key as logs and traces name it: itself, or the first 16 hexadecimal digits of its SHA-256."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_CHARS] if hashed else key


def log_request(note: RequestNote, *, status: int | None, duration_s: float) -> None:
    """Write the line of a request that is over; `status` is None where no answer had begun."""
    usage = note.usage
    facts: dict[str, object] = {
        "method": note.method,
        "route": note.route,
        "status": status,
        "duration_s": round(duration_s, 4),
        "queue_wait_s": None if note.wait_s is None else round(note.wait_s, 4),
        "first_token_s": None if note.first_token_s is None else round(note.first_token_s, 4),
        "engine": note.engine,
        "model": note.model,
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "cached_tokens": None if usage is None else usage.cached_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
        "failure": note.failure,
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    text = " ".join(f"{name}={value}" for name, value in facts.items() if name not in {"method", "route", "status"})
    logger.info("%s %s %s: %s", note.method, note.route or "-", status or "-", text, extra={"facts": facts})
