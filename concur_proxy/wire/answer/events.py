"""What the gateway itself writes into an event stream, apart from its own errors (see `errors.error_event`)."""

import json
from typing import Any

from concur_proxy.wire.api_shape import ApiShape

MAX_ERROR_BYTES = 64 * 1024
"""How much of an engine's error is read; real ones have a few hundred bytes."""

_NAMED = frozenset({ApiShape.RESPONSES, ApiShape.ANTHROPIC})
"""APIs whose events have names."""


def keep_alive_comment(*, position: int, expected_wait_s: float) -> bytes:
    """Return a comment, which no client takes for an event: `: concur-proxy position=3 expected_wait_s=12`.

    `position` counts sessions from 1, the next one to be admitted.
    """
    return b": concur-proxy position=%d expected_wait_s=%d\n\n" % (position, max(0, round(expected_wait_s)))


def late_error(shape: ApiShape, *, status: int, body: bytes) -> bytes:
    """Return an engine's error as an event, for a stream that a keep-alive comment has begun with status 200.

    The SDKs raise on its `error` member, which is the engine's own where it sent one.
    """
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        value = {"message": body.decode("utf-8", "replace") or f"the inference engine answered {status}"}
    if not value.get("error"):  # the errors of SGLang and FastAPI have no `error` member
        value = {"error": {"code": status, **value}}
    name = b"event: error\n" if shape in _NAMED else b""
    return b"%bdata: %b\n\n" % (name, json.dumps(value).encode())
