"""Asks an engine for a stream's token usage: one key is inserted into the bytes of the body."""

import json
import re
from typing import Any

import msgspec

from concur_proxy.wire.request.body import JsonBody
from concur_proxy.wire.request.flags import flag

_ASK = b'"stream_options":{"include_usage":true},'
_KEY = b'"stream_options"'
_COLON = re.compile(rb"[ \t\r\n]{0,64}:[ \t\r\n]{0,64}")
_MAX_OPTIONS_BYTES = 1024
"""A client's stream_options are a few short flags."""
_MAX_CHECKED_BYTES = 4 * 1024 * 1024
"""A larger body that has `stream_options` stays as it is, because a change would have to be checked with all of it."""


class _Options(msgspec.Struct):
    stream_options: Any = None


_OPTIONS_DECODER = msgspec.json.Decoder(_Options)


def inject_include_usage(body: bytes, json_body: JsonBody) -> tuple[bytes | memoryview, ...] | None:
    """Return, in pieces, `body` with `stream_options.include_usage` true and every other byte unchanged.

    None where it must not change.

    It must not change where the request is no stream, where the client asked for usage itself or for continuous usage
    (asking for both would change every event), and where the place to change is not certain. An explicit
    `include_usage: false` is overridden: the event is stripped from the answer, so the client still sees none. Use it
    only for endpoints with `can_ask_usage`, together with `StreamTap(strip=True)`.
    """
    if not json_body.is_stream or json_body.asks_usage or not json_body.is_utf8:
        return None
    options = json_body.stream_options
    if options is msgspec.UNSET:
        start = body.find(b"{")
        return body[: start + 1], _ASK, memoryview(body)[start + 1 :]
    if options is None:
        changed = _replace_options(body, None, {})
    elif isinstance(options, dict) and flag(options.get("continuous_usage_stats")) is not True:
        changed = _replace_options(body, options, options)
    else:
        return None
    return None if changed is None else (changed,)


def _replace_options(body: bytes, sent: object, base: dict[str, Any]) -> bytes | None:
    if len(body) > _MAX_CHECKED_BYTES:
        return None
    at = body.find(_KEY)
    colon = _COLON.match(body, at + len(_KEY)) if at >= 0 else None
    if colon is None:  # the key is written with escapes, or this is a value
        return None
    start = colon.end()
    text = body[start : start + _MAX_OPTIONS_BYTES].decode("ascii", "replace")
    try:
        value, length = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if value != sent:
        return None
    options = {**base, "include_usage": True}
    changed = b"".join((body[:start], json.dumps(options, separators=(",", ":")).encode(), body[start + length :]))
    # The key may be nested in another field or repeated later, and a number may be one that JSON does not allow.
    try:
        return changed if _OPTIONS_DECODER.decode(changed).stream_options == options else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
