"""An engine's error as an event, for a held stream whose 200 a keep-alive comment has sent out before."""

import json
from typing import Any

from concur_proxy.wire.api_shape import ApiShape

MAX_BODY_BYTES = 64 * 1024
"""What of an engine's error is read; real ones have a few hundred bytes."""

_NAMED = frozenset({ApiShape.RESPONSES, ApiShape.ANTHROPIC})
"""APIs whose events have names."""


def late_error(shape: ApiShape, *, status: int, body: bytes) -> bytes:
    """The event on which the SDKs raise: it has an `error` member, the engine's own where it sent one."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        value = {"message": body.decode("utf-8", "replace") or f"the inference engine answered {status}"}
    if not value.get("error"):
        # SGLang's errors, and FastAPI's, are flat
        value = {"error": {"code": status, **value}}
    name = b"event: error\n" if shape in _NAMED else b""
    return b"%bdata: %b\n\n" % (name, json.dumps(value).encode())
