"""What the gateway reads in a request's JSON body. The rest is skipped, not built."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from concur_proxy.wire.answer.fault import GatewayFault

MAX_COMMAS = 1 << 19
"""The messages of a body with more commas are not divided, because each would cost memory."""
MAX_NAME_CHARS = 4096
"""Longer names of models (which may be file paths) and responses count as absent."""


_NOT_SENT = msgspec.Raw()


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that make up a prompt in any of the APIs, as sent: slices of the body, not decoded, of any JSON type.

    Empty where absent.
    """

    messages: list[msgspec.Raw] | msgspec.Raw = _NOT_SENT
    """A list of slices, unless it is no list or the body is longer than anybody's conversation."""
    tools: msgspec.Raw = _NOT_SENT
    system: msgspec.Raw = _NOT_SENT
    """Messages API: a text or text blocks."""
    input: msgspec.Raw = _NOT_SENT
    """Responses API: a text or items."""
    instructions: msgspec.Raw = _NOT_SENT
    """Responses API: the system prompt."""
    prompt: msgspec.Raw = _NOT_SENT
    """Completions: a text, tokens, or several of them."""
    text: msgspec.Raw = _NOT_SENT
    """SGLang's own API: a text or several."""
    input_ids: msgspec.Raw = _NOT_SENT
    """SGLang's own API: tokens, or several lists of tokens."""
    image_data: msgspec.Raw = _NOT_SENT
    """SGLang's own API: an image or several, as URL, path or base64."""
    audio_data: msgspec.Raw = _NOT_SENT
    video_data: msgspec.Raw = _NOT_SENT


class JsonBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of one body. A field of an unexpected type counts as absent: the engine judges it.

    It is a msgspec.Struct because one is made for every request: a frozen dataclass costs five times as much.
    """

    is_stream: bool = False
    """Whether the engine reads `stream` as true, see `_flag`."""
    stream_options: Any = msgspec.UNSET
    """`stream_options` as sent, UNSET where absent."""
    asks_usage: bool = False
    """Whether the client itself asked for a usage event."""
    model: str | None = None
    previous_response_id: str | None = None
    """The response that this request continues (responses API), or the message (threads of the Messages API)."""
    is_in_thread: bool = False
    """Whether the answer becomes part of a thread of the Messages API, so that a later request may continue it."""
    needs_state: bool = False
    """Whether the request uses something that only one engine keeps: a response, a conversation, an SGLang session."""
    stores: bool | None = None
    """`store` as the engine reads it: whether it shall keep the answer; None where absent."""
    is_background: bool = False
    """Whether the engine continues to work after it has answered."""
    continues: bool = False
    """Whether the prompt begins with something that the engine keeps, so that the body has only what comes after it."""
    prompt: Prompt | None = None
    """The parts of the prompt; None without a prompt, or if the body is no strict JSON in UTF-8."""
    fields: Mapping[str, Any] = {}
    """The further top-level fields that the reader was made for, as far as present."""
    is_utf8: bool = True
    """Whether the bytes are UTF-8 without a byte-order mark, so that bytes may be inserted."""


EMPTY_BODY = JsonBody()


class BodyFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a body cannot be read: no engine could read it either."""

    fault: GatewayFault
    """BAD_JSON or BODY_NOT_OBJECT."""
    detail: str
    """Where and why, for the error message."""


class _Wire(Prompt, frozen=True, kw_only=True):
    """The fields by their names on the wire, of any type."""

    stream: Any = None
    stream_options: Any = msgspec.UNSET
    model: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    session_params: Any = None
    store: Any = None
    background: Any = None
    thread: Any = None


_PLAIN_FIELDS = [name for name in _Wire.__struct_fields__ if name not in Prompt.__struct_fields__]


class _Undivided(_Wire, frozen=True, kw_only=True):
    """The same, if the messages are not to be divided, or are no list."""

    messages: msgspec.Raw = _NOT_SENT


class JsonBodyReader:
    """Reads bodies. It also keeps the top-level fields that it is made for."""

    def __init__(self, fields: Iterable[str] = ()) -> None:
        own = set(_Wire.__struct_fields__)
        names = list(dict.fromkeys(fields))
        self._attributes = [(name, name if name in own else f"field_{i}") for i, name in enumerate(names)]
        extra = [
            (attribute, Any, msgspec.field(default=None, name=name))
            for name, attribute in self._attributes
            if attribute != name
        ]
        self._divided = _decoder(_Wire, extra)
        self._undivided = _decoder(_Undivided, extra)

    def read(self, body: bytes) -> JsonBody | BodyFault:
        """Return the body's fields, or why it has none. Never raises."""
        try:
            wire = self._decode(body)
            if not body.isascii():
                # The decoder does not check the text that it skips; Python's json, which the engines use, does.
                body.decode("utf-8", "surrogatepass")
            fields = {}
            for name, attribute in self._attributes:
                value = getattr(wire, attribute)
                if isinstance(value, msgspec.Raw):
                    value = msgspec.json.decode(value) if value else None
                elif attribute == "messages":
                    value = [msgspec.json.decode(item) for item in value]
                if value is not None and value is not msgspec.UNSET:
                    fields[name] = value
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_leniently(body)
        return _body(wire, fields, _prompt(wire), is_utf8=True)

    def _decode(self, body: bytes) -> _Wire:
        wire: _Wire | None = None
        if len(body) <= MAX_COMMAS or body.count(b",") <= MAX_COMMAS:
            with suppress(msgspec.ValidationError):
                wire = self._divided.decode(body)
        return wire or self._undivided.decode(body)

    def _read_leniently(self, body: bytes) -> JsonBody | BodyFault:
        """Read what Python's json accepts (NaN, 1e400, UTF-16): the engines use it, so it must pass."""
        try:
            value = json.loads(body)
        except json.JSONDecodeError as error:
            detail = f"{error.msg} at line {error.lineno}, column {error.colno}"
            return BodyFault(fault=GatewayFault.BAD_JSON, detail=detail)
        except UnicodeDecodeError:
            return BodyFault(fault=GatewayFault.BAD_JSON, detail="its bytes are not UTF-8")
        except (ValueError, RecursionError) as error:
            return BodyFault(fault=GatewayFault.BAD_JSON, detail=str(error)[:200])
        if not isinstance(value, dict):
            return BodyFault(fault=GatewayFault.BODY_NOT_OBJECT, detail=f"it is {_json_kind(value)}")
        wire = _Wire(**{name: value[name] for name in _PLAIN_FIELDS if name in value})
        fields = {name: value[name] for name, _ in self._attributes if value.get(name) is not None}
        return _body(wire, fields, None, is_utf8=json.detect_encoding(body) == "utf-8")


def _decoder(base: type[_Wire], extra: list[tuple[str, Any, Any]]) -> msgspec.json.Decoder[_Wire]:
    """A decoder of this struct with further fields."""
    return msgspec.json.Decoder(msgspec.defstruct("_WireWithFields", extra, bases=(base,)))


def _prompt(wire: _Wire) -> Prompt | None:
    """The wire's fields as a prompt, if one of those that begin a prompt was sent."""
    return wire if wire.messages or wire.input or wire.prompt or wire.text or wire.input_ids else None


def _continues(wire: _Wire) -> bool:
    """Whether the request refers to a response, a conversation, a thread (Messages API) or a session of SGLang."""
    if wire.previous_response_id or wire.conversation:
        return True
    thread, session = wire.thread, wire.session_params
    if isinstance(thread, dict) and thread.get("previous_message_id"):
        return True
    return isinstance(session, dict) and bool(session.get("id"))


def _body(wire: _Wire, fields: dict[str, Any], prompt: Prompt | None, *, is_utf8: bool) -> JsonBody:
    options, previous, thread = wire.stream_options, wire.previous_response_id, wire.thread
    if previous is None and isinstance(thread, dict):
        previous = thread.get("previous_message_id")
    return JsonBody(
        is_stream=_flag(wire.stream) is True,
        stream_options=options,
        asks_usage=isinstance(options, dict) and _is_wanted(options.get("include_usage")),
        model=_name(wire.model),
        previous_response_id=None if previous is None else _name(previous),
        is_in_thread=isinstance(thread, dict),
        needs_state=bool(previous or wire.conversation or wire.session_params),
        stores=_flag(wire.store),
        is_background=_flag(wire.background) is True,
        continues=_continues(wire),
        prompt=prompt,
        fields=fields,
        is_utf8=is_utf8,
    )


def _flag(value: object) -> bool | None:
    """Return a flag as the engines read it; None for what they refuse, or if the flag is absent.

    vLLM and SGLang read bodies with pydantic, which also takes 0, 1 and these words in any case (pydantic: Conversion
    Table, bool).
    """
    if isinstance(value, str):
        value = value.lower()
        return True if value in _TRUE_WORDS else False if value in _FALSE_WORDS else None
    return bool(value) if isinstance(value, bool | int | float) and value in {0, 1} else None


def _is_wanted(value: object) -> bool:
    """Whether an option is set. A value that the engine will refuse counts, so that the body stays as it is."""
    return bool(value) and _flag(value) is not False


_TRUE_WORDS = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE_WORDS = frozenset({"0", "off", "f", "false", "n", "no"})


def _name(value: object) -> str | None:
    """Return a text that can be stored, logged and sent; None for anything else.

    A text of megabytes would be kept with its session and sent to other gateways. One with half of a surrogate pair
    (`"\\ud800"`, which JSON allows) cannot be encoded. No engine has a model of such a name.
    """
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARS:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _json_kind(value: object) -> str:
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    return "null" if value is None else "a boolean" if isinstance(value, bool) else "a number"


# -- asking for usage: one key inserted into the bytes

_ASK = b'"stream_options":{"include_usage":true},'
_KEY = b'"stream_options"'
_BLANKS = frozenset((b" ", b"\t", b"\r", b"\n"))
_MAX_OPTIONS_BYTES = 1024
"""A client's stream_options are a few short flags."""


class _Options(msgspec.Struct):
    stream_options: Any = None


_OPTIONS_DECODER = msgspec.json.Decoder(_Options)


def inject_include_usage(body: bytes, json_body: JsonBody) -> bytes | None:
    """Return `body` with `stream_options.include_usage` true and every other byte unchanged; None where it must not
    change.

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
        return b"".join((body[: start + 1], _ASK, body[start + 1 :]))
    if options is None:
        return _replace_options(body, None, {})
    if isinstance(options, dict) and _flag(options.get("continuous_usage_stats")) is not True:
        return _replace_options(body, options, options)
    return None


def _replace_options(body: bytes, sent: object, base: dict[str, Any]) -> bytes | None:
    at = body.find(_KEY)
    start = _skip_colon(body, at + len(_KEY)) if at >= 0 else None
    if start is None:  # the key is written with escapes, or this is a value
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
    # The key may be nested in another field or repeated later, and a number may be one that JSON does not allow.
    try:
        return changed if _OPTIONS_DECODER.decode(changed).stream_options == options else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _skip_colon(body: bytes, at: int) -> int | None:
    """Return the position after blanks, a colon and blanks; None if there is anything else."""
    while body[at : at + 1] in _BLANKS:
        at += 1
    if body[at : at + 1] != b":":
        return None
    at += 1
    while body[at : at + 1] in _BLANKS:
        at += 1
    return at
