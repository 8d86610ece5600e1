"""Everything the gateway itself refuses or fails with: status, each API's word for it, and the mend."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One row of the table below."""

    status: int
    openai_type: str
    """`error.type` in OpenAI's shape."""
    anthropic_type: str
    """`error.type` in Anthropic's shape (their documented list)."""
    what: str
    """What happened, without a full stop."""
    mend: str
    """What the caller can do about it, a whole sentence."""
    retry_after_s: float | None = None
    """How long to wait before a retry when nobody computed it; None: a retry of the same request cannot help."""


class GatewayFault(Enum):
    """Why the gateway answers instead of an engine."""

    QUEUE_FULL = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="Too many sessions are waiting for the inference engines",
        mend="Retry after the time in the Retry-After header.",
        retry_after_s=10,
    )
    HOLD_TIMEOUT = FaultRow(
        status=429,
        openai_type="rate_limit_error",
        anthropic_type="rate_limit_error",
        what="No place for this session became free within the longest time a request is held",
        mend="Retry after the time in the Retry-After header, or run fewer sessions at once.",
        retry_after_s=10,
    )
    DRAINING = FaultRow(
        status=503,
        openai_type="server_error",
        anthropic_type="overloaded_error",
        what="The gateway is shutting down and takes no new requests",
        mend="Retry: another instance or the restarted one will answer.",
        retry_after_s=5,
    )
    ENGINE_UNREACHABLE = FaultRow(
        status=502,
        openai_type="server_error",
        anthropic_type="api_error",
        what="The inference engine could not be reached",
        mend="Retry; if it persists, check that the engine runs and listens.",
        retry_after_s=1,
    )
    ENGINE_BROKE = FaultRow(
        status=502,
        openai_type="server_error",
        anthropic_type="api_error",
        what="The inference engine closed the connection before it answered",
        mend="Retry; if it persists, look at the engine's log.",
        retry_after_s=1,
    )
    INTERNAL = FaultRow(
        status=500,
        openai_type="server_error",
        anthropic_type="api_error",
        what="The gateway itself failed",
        mend="Retry, and report the reference, under which the gateway's log tells more.",
        retry_after_s=1,
    )
    BAD_HTTP = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="This is no valid HTTP/1.1 request",
        mend="Send one, without TLS and without a proxy's CONNECT.",
    )
    TARGET_TOO_LONG = FaultRow(
        status=414,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request's target is longer than the gateway accepts",
        mend="Send a shorter path and query; what is long belongs into the body.",
    )
    BAD_JSON = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request body is not valid JSON",
        mend="Send one JSON object, encoded as UTF-8.",
    )
    BODY_NOT_OBJECT = FaultRow(
        status=400,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request body is JSON, but not an object",
        mend='Send one JSON object, such as {"model": ..., "messages": [...]}.',
    )
    BODY_TOO_LARGE = FaultRow(
        status=413,
        openai_type="invalid_request_error",
        anthropic_type="request_too_large",
        what="The request body is larger than the gateway accepts",
        mend="Send less, or raise the gateway's body limit.",
    )
    HEADERS_TOO_LARGE = FaultRow(
        status=431,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="The request's headers are larger than the gateway accepts",
        mend="Send fewer or shorter headers.",
    )
    UNKNOWN_PATH = FaultRow(
        status=404,
        openai_type="invalid_request_error",
        anthropic_type="not_found_error",
        what="The gateway does not know this path",
        mend="Check its spelling (no trailing slash), or add it to the gateway's pass-through or generating paths.",
    )
    WRONG_METHOD = FaultRow(
        status=405,
        openai_type="invalid_request_error",
        anthropic_type="invalid_request_error",
        what="This path does not take this method",
        mend="Use a method named in the Allow header.",
    )
    ADMIN_REFUSED = FaultRow(
        status=403,
        openai_type="permission_error",
        anthropic_type="permission_error",
        what="Engine administration does not pass through the gateway",
        mend="Call the engine itself, or list this method and path among the gateway's pass-through paths.",
    )

    @property
    def code(self) -> str:
        """The fault's name as clients and metrics see it, such as `queue_full`."""
        return self.name.lower()
