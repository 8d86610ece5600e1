"""The gateway's own error answers, in the called API's shape, with headers that make the SDKs retry correctly.

openai 3.57 and anthropic 2.13 (`_base_client.py`: `_should_retry`, `_parse_retry_after_header`,
`_calculate_retry_timeout`) retry 408, 409, 429 and 5xx twice by default, obey `x-should-retry`, and prefer
`retry-after-ms` over `retry-after`. Their longest delay differs. openai-python waits up to 120 s since July 2026 and
does not retry after a longer delay; before, it waited up to 60 s and replaced a longer delay with 0.5 to 8 s.
openai-node 4 and Vercel's AI SDK 7 obey delays below 60 s only, and replace 60 s with 0.5 to 8 s; they give up
after three tries. openai-node 7 and anthropic have no sensible bound. So the gateway never asks for more than 59 s.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import Headers

MAX_RETRY_AFTER_S = 59.0
"""The longest delay that every SDK version obeys, see above."""

REASON_HEADER = b"x-concur-reason"
"""The fault's code. Engines do not send this header, so it marks the gateway's own answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
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
    """Return the answer to a request that the gateway refuses or fails.

    `detail` says what is special about this case; it is in the middle of the message. `retry_after_s` is the expected
    wait in seconds. It is sent as 1 to `MAX_RETRY_AFTER_S`, and only for faults that can disappear until a retry.
    `allow` fills the Allow header.
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
    if row.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if allow:
        headers.append((b"allow", ", ".join(allow).encode()))
    return ErrorAnswer(status=row.status, headers=headers, body=body)


def error_event(fault: GatewayFault, shape: ApiShape, *, detail: str = "") -> bytes:
    """Return the same error as an event, for a stream that has begun with status 200. The stream ends after it, without
    `[DONE]`.

    The SDKs raise on it: openai on an `error` member, anthropic on an event named `error`.
    """
    manners = _MANNERS[shape]
    return manners.event_prefix + msgspec.json.encode(manners.event(fault, error_message(fault, detail))) + b"\n\n"


def error_message(fault: GatewayFault, detail: str = "") -> str:
    """Return what happened, the case's detail, and what the caller can do."""
    row = fault.value
    what = f"{row.what}: {detail}" if detail else row.what
    return f"{what if what.endswith('.') else f'{what}.'} {row.fix}"


def _openai_error(fault: GatewayFault, message: str) -> dict[str, Any]:
    return {"message": message, "type": fault.value.openai_type, "param": None, "code": fault.code}


def _openai_body(fault: GatewayFault, message: str) -> dict[str, Any]:
    return {"error": _openai_error(fault, message)}


def _responses_event(fault: GatewayFault, message: str) -> dict[str, Any]:
    # The documented event is flat, but the SDK raises only if it has an `error` member (openai/_streaming.py).
    flat = {"type": "error", "code": fault.code, "message": message, "param": None, "sequence_number": 0}
    return {**flat, "error": _openai_error(fault, message)}


def _anthropic_body(fault: GatewayFault, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": fault.value.anthropic_type, "message": message}}


def _sglang_body(fault: GatewayFault, message: str) -> dict[str, Any]:
    # SGLang's errors are {"error": {"message"}}; in a stream with type and a numeric code (serve_generate_request).
    return {"error": {"message": message, "type": fault.value.openai_type, "code": fault.value.status}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manners:
    """The format in which one API reports an error."""

    body: Callable[[GatewayFault, str], dict[str, Any]]
    event: Callable[[GatewayFault, str], dict[str, Any]]
    event_prefix: bytes


_MANNERS = {
    ApiShape.OPENAI: _Manners(body=_openai_body, event=_openai_body, event_prefix=b"data: "),
    ApiShape.RESPONSES: _Manners(body=_openai_body, event=_responses_event, event_prefix=b"event: error\ndata: "),
    ApiShape.ANTHROPIC: _Manners(body=_anthropic_body, event=_anthropic_body, event_prefix=b"event: error\ndata: "),
    ApiShape.SGLANG: _Manners(body=_sglang_body, event=_sglang_body, event_prefix=b"data: "),
}
