"""What the gateway itself writes into an event stream, apart from its own errors (see `errors.error_event`)."""

import json
from typing import Any

from concur_proxy.wire.api_shape import ApiShape, shape_of_path

MAX_ERROR_BYTES = 64 * 1024
"""How much of an engine's error is read; real ones have a few hundred bytes."""

_NAMED = frozenset({ApiShape.RESPONSES, ApiShape.ANTHROPIC})
"""APIs whose events have names."""

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def keep_alive_comment(*, position: int, expected_wait_s: float) -> bytes:
    """Return a comment, which no client takes for an event: `: concur-proxy position=3 expected_wait_s=12`.

    `position` counts sessions from 1, the next one to be admitted.
    """
    return b": concur-proxy position=%d expected_wait_s=%d\n\n" % (position, max(0, round(expected_wait_s)))


def keep_alive(path: str, *, position: int, expected_wait_s: float, chunk_model: str | None = None) -> bytes:
    """Return what keeps a waiting stream of this path alive: the comment, and an event where the API has one that
    clients skip, for clients that count events.

    - Messages: `ping`, which is part of the API.
    - Chat: a chunk with an empty delta, if `chunk_model`, the model that it names, is not None. Clients see it, and
      helpers that build the whole completion take its id.
    - Others: the comment only. The helper of the OpenAI SDK for Responses raises on any event before
      `response.created`.
    """
    comment = keep_alive_comment(position=position, expected_wait_s=expected_wait_s)
    if shape_of_path(path) is ApiShape.ANTHROPIC:
        return comment + _PING
    if chunk_model is None or not path.endswith("/chat/completions"):
        return comment
    choice = {"index": 0, "delta": {}, "finish_reason": None}
    head = {"id": "chatcmpl-waiting", "object": "chat.completion.chunk", "created": 0, "model": chunk_model}
    return b"%bdata: %b\n\n" % (comment, json.dumps({**head, "choices": [choice]}).encode())


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
