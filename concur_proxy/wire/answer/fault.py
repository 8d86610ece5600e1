"""Every error of the gateway itself: its status, its type in each API, and what the caller can do."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    status: int
    openai_type: str
    """`error.type` in OpenAI's shape."""
    anthropic_type: str
    """`error.type` in Anthropic's shape (their documented list)."""
    what: str
    """What happened, without a full stop."""
    fix: str
    """What the caller can do, a whole sentence."""
    retry_after_s: float | None = None
    """The delay before a retry if no delay was computed. None: a retry of the same request cannot help."""


class GatewayFault(Enum):
    """Why the gateway answers instead of an engine."""

    QUEUE_FULL = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="Too many sessions are waiting for the inference engines",
        fix="Retry after the time in the Retry-After header.",
        retry_after_s=10,
    )
    HOLD_TIMEOUT = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="The session was not admitted within the longest time that a request may wait",
        fix="Retry after the time in the Retry-After header, or run fewer sessions at once.",
        retry_after_s=10,
    )
    DRAINING = FaultRow(
        status=503,
        openai_type="server_error",
        anthropic_type="overloaded_error",
        what="The gateway is shutting down and accepts no new requests",
        fix="Retry: another instance or the restarted one will answer.",
        retry_after_s=5,
    )
    ENGINE_UNREACHABLE = FaultRow(
        status=502,
        openai_type="server_error",
        anthropic_type="api_error",
        what="The inference engine could not be reached",
        fix="Retry; if this persists, check that the engine runs and listens.",
        retry_after_s=1,
    )
    ENGINE_BROKE = FaultRow(
        status=502,
        openai_type="server_error",
        anthropic_type="api_error",
        what="The inference engine closed the connection before it answered",
        fix="Retry; if this persists, look at the engine's log.",
        retry_after_s=1,
    )
    ENGINE_TIMED_OUT = FaultRow(
        status=504,
        openai_type="server_error",
        anthropic_type="timeout_error",
        what="The inference engine did not begin its answer in time",
        fix="Retry, or send a shorter prompt; operators can raise engine_first_byte_timeout_s.",
        retry_after_s=1,
    )
    INTERNAL = FaultRow(
        status=500,
        openai_type="server_error",
        anthropic_type="api_error",
        what="The gateway itself failed",
        fix="Retry, and report the reference; the gateway's log has the details.",
        retry_after_s=1,
    )
    BAD_HTTP = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="This is not a valid HTTP/1.1 request",
        fix="Send HTTP/1.1 with one Host, without TLS and without CONNECT.",
    )
    TARGET_TOO_LONG = FaultRow(
        status=414,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request's path and query are longer than the gateway accepts",
        fix="Send a shorter path and query; put long values into the body.",
    )
    BAD_JSON = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request body is not valid JSON",
        fix="Send one JSON object, encoded as UTF-8.",
    )
    BODY_NOT_OBJECT = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request body is JSON, but not an object",
        fix='Send one JSON object, such as {"model": ..., "messages": [...]}.',
    )
    CONTEXT_LENGTH_EXCEEDED = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The prompt is longer than the maximum context length of the model",
        fix="Shorten the prompt.",
    )
    BODY_TOO_LARGE = FaultRow(
        status=413,
        openai_type="invalid_request_error",
        anthropic_type="request_too_large",
        what="The request body is larger than the gateway accepts",
        fix="Send less, or raise the gateway's body limit.",
    )
    CLIENT_STALLED = FaultRow(
        status=408,
        openai_type="invalid_request_error",
        anthropic_type="timeout_error",
        what="The request did not arrive in time",
        fix="Retry, and send the request without pauses.",
        retry_after_s=1,
    )
    TOO_MANY_CONNECTIONS = FaultRow(
        status=503,
        openai_type="server_error",
        anthropic_type="overloaded_error",
        what="Too many clients are connected to the gateway",
        fix="Retry after the time in the Retry-After header; operators can raise max_connections and the file limit.",
        retry_after_s=5,
    )
    TOO_MANY_FROM_CLIENT = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="Too many connections come from this address",
        fix="Close some of them, or keep connections open and reuse them.",
        retry_after_s=5,
    )
    TOO_MANY_FROM_TENANT = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="This tenant has as many open requests as it may have",
        fix="Retry after the time in the Retry-After header, or send fewer requests at once.",
        retry_after_s=5,
    )
    GATEWAY_EXHAUSTED = FaultRow(
        status=503,
        openai_type="server_error",
        anthropic_type="overloaded_error",
        what="The gateway has no files or ports left for a connection to the inference engine",
        fix="Retry after the time in the Retry-After header; operators can raise the limit of open files.",
        retry_after_s=2,
    )
    BODIES_TOO_LARGE = FaultRow(
        status=503,
        openai_type="server_error",
        anthropic_type="overloaded_error",
        what="The requests that the gateway holds at the moment are too large together",
        fix="Retry after the time in the Retry-After header; operators can raise max_buffered_bytes.",
        retry_after_s=5,
    )
    TENANT_BODIES_TOO_LARGE = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="The requests of this tenant that the gateway holds at the moment are too large together",
        fix="Retry after the time in the Retry-After header, or send fewer requests at once.",
        retry_after_s=5,
    )
    INVALID_API_KEY = FaultRow(
        status=401,
        openai_type="authentication_error",
        anthropic_type="authentication_error",
        what="The gateway does not know this API key, or the request has none",
        fix="Send a key that the gateway's operator has given you, in the header Authorization: Bearer KEY.",
    )
    FROM_WEB_PAGE = FaultRow(
        status=403,
        openai_type="permission_error",
        anthropic_type="permission_error",
        what="A web page must not make this call",
        fix="Call it from a program, or end the session with the header x-session-end: true on its last request.",
    )
    UNKNOWN_RESPONSE = FaultRow(
        status=404,
        openai_type="invalid_request_error",
        anthropic_type="not_found_error",
        what="There is no such response",
        fix="Check the response's id.",
    )
    HEADERS_TOO_LARGE = FaultRow(
        status=431,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request's headers are larger than the gateway accepts",
        fix="Send fewer or shorter headers.",
    )
    UNKNOWN_PATH = FaultRow(
        status=404,
        openai_type="invalid_request_error",
        anthropic_type="not_found_error",
        what="The gateway does not know this path",
        fix="Check its spelling (no trailing slash), or add it to the gateway's setting allow_paths.",
    )
    WRONG_METHOD = FaultRow(
        status=405,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="This path does not accept this method",
        fix="Use a method named in the Allow header.",
    )
    ADMIN_REFUSED = FaultRow(
        status=403,
        openai_type="permission_error",
        anthropic_type="permission_error",
        what="The gateway does not pass on calls that administer an engine",
        fix="Call the engine itself, or add this method and path to the gateway's setting allow_paths.",
    )

    @property
    def code(self) -> str:
        """The fault's name for clients and metrics, such as `queue_full`."""
        return self.name.lower()
