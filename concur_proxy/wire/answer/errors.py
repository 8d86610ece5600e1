"""The gateway's own error answers, in the called API's shape, with headers by which the SDKs retry as they should.

openai 3.57 and anthropic 2.13 (`_base_client.py`: `_should_retry`, `_parse_retry_after_header`,
`_calculate_retry_timeout`) retry 408, 409, 429 and 5xx twice by default, obey `x-should-retry`, and prefer
`retry-after-ms` over `retry-after`. How long they are willing to wait differs: openai-python up to 120 s since July
2026 (longer: no retry at all), up to 60 s before (longer: its own 0.5 to 8 s instead); openai-node and anthropic
without a sensible bound. So no more than 60 s is ever asked for.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import Headers

MAX_RETRY_AFTER_S = 60.0
"""See above: the longest delay that every SDK version honours."""

REASON_HEADER = b"x-concur-reason"
"""The fault's code: tells the gateway's own answers from the engines'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """A whole HTTP answer."""

    status: int
    headers: Headers
    body: bytes


def error_answer(
    fault: GatewayFault,
    shape: ApiShape,
    *,
    detail: str = "",
    retry_after_s: float | None = None,
    allow: Sequence[str] = (),
) -> ErrorAnswer:
    """The answer to a request that the gateway refuses or fails.

    `detail` says what is special about this case, in the middle of the message. `retry_after_s` is the wait expected by
    the caller's queue, in seconds; it is sent between 1 and `MAX_RETRY_AFTER_S`, and only for faults that a retry can
    mend. `allow` fills the Allow header.
    """
    row = fault.value
    body = msgspec.json.encode(_MANNERS[shape].body(fault, error_message(fault, detail)))
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (REASON_HEADER, fault.code.encode()),
        (b"x-should-retry", b"false" if row.retry_after_s is None else b"true"),
    ]
    if row.retry_after_s is not None:
        wait = min(max(1.0, row.retry_after_s if retry_after_s is None else retry_after_s), MAX_RETRY_AFTER_S)
        headers += [(b"retry-after", b"%d" % math.ceil(wait)), (b"retry-after-ms", b"%d" % round(wait * 1000))]
    if allow:
        headers.append((b"allow", ", ".join(allow).encode()))
    return ErrorAnswer(status=row.status, headers=headers, body=body)


def error_event(fault: GatewayFault, shape: ApiShape, *, detail: str = "") -> bytes:
    """The same refusal as an event, for a stream whose 200 has gone out. The stream ends after it, without `[DONE]`.

    The SDKs raise on it: openai on an `error` member, anthropic on an event named `error`.
    """
    manners = _MANNERS[shape]
    return manners.event_prefix + msgspec.json.encode(manners.event(fault, error_message(fault, detail))) + b"\n\n"


def error_message(fault: GatewayFault, detail: str = "") -> str:
    """What happened, the case's detail, and the mend."""
    row = fault.value
    what = f"{row.what}: {detail}" if detail else row.what
    return f"{what if what.endswith('.') else f'{what}.'} {row.mend}"


def _openai_error(fault: GatewayFault, message: str) -> dict[str, Any]:
    return {"message": message, "type": fault.value.openai_type, "param": None, "code": fault.code}


def _openai_body(fault: GatewayFault, message: str) -> dict[str, Any]:
    return {"error": _openai_error(fault, message)}


def _responses_event(fault: GatewayFault, message: str) -> dict[str, Any]:
    # the documented event is flat; the SDK raises only where there is an `error` member (openai/_streaming.py)
    flat = {"type": "error", "code": fault.code, "message": message, "param": None, "sequence_number": 0}
    return {**flat, "error": _openai_error(fault, message)}


def _anthropic_body(fault: GatewayFault, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": fault.value.anthropic_type, "message": message}}


def _sglang_body(fault: GatewayFault, message: str) -> dict[str, Any]:
    # its own are {"error": {"message"}}, in a stream with type and a numeric code (serve_generate_request)
    return {"error": {"message": message, "type": fault.value.openai_type, "code": fault.value.status}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manners:
    """How one API tells an error."""

    body: Callable[[GatewayFault, str], dict[str, Any]]
    event: Callable[[GatewayFault, str], dict[str, Any]]
    event_prefix: bytes


_MANNERS = {
    ApiShape.OPENAI: _Manners(body=_openai_body, event=_openai_body, event_prefix=b"data: "),
    ApiShape.RESPONSES: _Manners(body=_openai_body, event=_responses_event, event_prefix=b"event: error\ndata: "),
    ApiShape.ANTHROPIC: _Manners(body=_anthropic_body, event=_anthropic_body, event_prefix=b"event: error\ndata: "),
    ApiShape.SGLANG: _Manners(body=_sglang_body, event=_sglang_body, event_prefix=b"data: "),
}
