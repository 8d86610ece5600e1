"""Asking the engine for usage on behalf of a streaming client that did not ask: one key put into the body's bytes."""

import json
from typing import Any

import msgspec

from concur_proxy.wire.request.head import RequestHead

_ASK = b'"stream_options":{"include_usage":true},'
_KEY = b'"stream_options"'
_BLANKS = b" \t\r\n"
# a client's stream_options are a few short flags
_MAX_OPTIONS_BYTES = 1024


class _Body(msgspec.Struct):
    stream_options: Any = None


_DECODER = msgspec.json.Decoder(_Body)


def inject_include_usage(body: bytes, head: RequestHead) -> bytes | None:
    """`body` with `stream_options.include_usage` true and every other byte as it was; None where it must stay as it is.

    It stays where the request is no stream, usage was asked for already, continuous usage was (asking for both would
    change every event), or the place to change cannot be told for certain. An explicit `include_usage: false` is
    overridden: the event is stripped from the answer, so the client still sees none. Only for endpoints with
    `can_ask_usage`, together with `StreamTap(strip=True)`.
    """
    if not head.is_stream or head.asks_usage or not head.is_utf8:
        return None
    if head.stream_options is msgspec.UNSET:
        start = body.find(b"{")
        return b"".join((body[: start + 1], _ASK, body[start + 1 :]))
    if head.stream_options is None:
        return _replace_options(body, None, {})
    if isinstance(head.stream_options, dict) and not head.stream_options.get("continuous_usage_stats"):
        return _replace_options(body, head.stream_options, head.stream_options)
    return None


def _replace_options(body: bytes, sent: object, base: dict[str, Any]) -> bytes | None:
    at = body.find(_KEY)
    start = _skip(body, at + len(_KEY), b":") if at >= 0 else None
    if start is None:
        # written with escapes, or a value
        return None
    text = body[start : start + _MAX_OPTIONS_BYTES].decode("ascii", "replace")
    try:
        value, length = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if value != sent:
        return None
    options = {**base, "include_usage": True}
    changed = b"".join((body[:start], json.dumps(options, separators=(",", ":")).encode(), body[start + length :]))
    # the key may stand in another field, or again behind this one, and a number may be one that JSON has not
    return changed if _options(changed) == options else None


def _options(body: bytes) -> object:
    try:
        return _DECODER.decode(body).stream_options
    except (msgspec.DecodeError, RecursionError):
        return None


def _skip(body: bytes, at: int, sign: bytes) -> int | None:
    """The position after blanks, `sign` and blanks; None where something else stands there."""
    while body[at : at + 1] in _blank_bytes:
        at += 1
    if body[at : at + 1] != sign:
        return None
    at += 1
    while body[at : at + 1] in _blank_bytes:
        at += 1
    return at


_blank_bytes = frozenset(bytes((blank,)) for blank in _BLANKS)
