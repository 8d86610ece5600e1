"""What the gateway must know of a request's body before it sends it on; the rest is skipped, not built."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from concur_proxy.wire.answer.fault import GatewayFault

MAX_NAME_CHARS = 4096
"""No engine has a model of a longer name, which may be a path, nor a response."""


class RequestHead(msgspec.Struct, frozen=True, kw_only=True):
    """The few facts of one generating request. A field of an unexpected type reads as absent; judging it is the
    engine's business.

    A msgspec.Struct, as it is made for every request and costs a fifth of a frozen dataclass.
    """

    is_stream: bool = False
    """Whether `stream` is exactly true."""
    stream_options: Any = msgspec.UNSET
    """`stream_options` as sent, UNSET where absent."""
    asks_usage: bool = False
    """Whether the client itself asked for a usage event."""
    model: str | None = None
    """The model's name, where it is one."""
    previous_response_id: str | None = None
    """The response that this one goes on from (responses API): the same session."""
    needs_state: bool = False
    """Whether it goes on from something that one engine alone keeps: a response, a conversation, an SGLang session."""
    stores: bool | None = None
    """`store` as sent: whether the engine is to keep the answer; None where it is not said."""
    is_background: bool = False
    """Whether the engine is to work on after it has answered."""
    session_fields: Mapping[str, Any] = {}
    """Top-level body fields in which a session key may stand, as far as present."""
    is_utf8: bool = True
    """Whether the body's bytes are UTF-8 without a byte-order mark, so that bytes may be put in."""


class BodyFault(msgspec.Struct, frozen=True, kw_only=True):
    """A body that no engine could read either."""

    fault: GatewayFault
    """BAD_JSON or BODY_NOT_OBJECT."""
    detail: str
    """Where and why, for the error message."""


class _Wire(msgspec.Struct):
    """The body's fields by their names on the wire, of any type."""

    stream: Any = None
    stream_options: Any = msgspec.UNSET
    model: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    session_params: Any = None
    store: Any = None
    background: Any = None


class RequestHeadReader:
    """Reads heads; knows which further top-level fields may hold a session key.

    `session_fields` are dotted paths; only their first parts matter here.
    """

    def __init__(self, session_fields: Iterable[str] = ()) -> None:
        own = set(_Wire.__struct_fields__)
        names = list(dict.fromkeys(path.partition(".")[0] for path in session_fields))
        self._attributes = [(name, name if name in own else f"session_{i}") for i, name in enumerate(names)]
        extra = [
            (attribute, Any, msgspec.field(default=None, name=name))
            for name, attribute in self._attributes
            if attribute != name
        ]
        self._decoder: msgspec.json.Decoder[_Wire] = msgspec.json.Decoder(
            msgspec.defstruct("_WireWithSession", extra, bases=(_Wire,))
        )

    def read(self, body: bytes) -> RequestHead | BodyFault:
        """The head of a JSON body, or why there is none. Never raises."""
        try:
            wire = self._decoder.decode(body)
            if not body.isascii():
                body.decode("utf-8", "surrogatepass")  # as Python's json: the decoder does not look into what it skips
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_leniently(body)
        return self._head(wire, is_utf8=True)

    def _read_leniently(self, body: bytes) -> RequestHead | BodyFault:
        """The engines parse with Python's json, which takes NaN, 1e400 and UTF-16; what they take must pass."""
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
        wire = _Wire(**{name: value[name] for name in _Wire.__struct_fields__ if name in value})
        fields = {name: value[name] for name, _ in self._attributes if value.get(name) is not None}
        return _head(wire, fields, is_utf8=json.detect_encoding(body) == "utf-8")

    def _head(self, wire: _Wire, *, is_utf8: bool) -> RequestHead:
        fields = {}
        for name, attribute in self._attributes:
            value = getattr(wire, attribute)
            if value is not None and value is not msgspec.UNSET:
                fields[name] = value
        return _head(wire, fields, is_utf8=is_utf8)


def _head(wire: _Wire, session_fields: dict[str, Any], *, is_utf8: bool) -> RequestHead:
    options = wire.stream_options
    return RequestHead(
        is_stream=wire.stream is True,
        stream_options=options,
        asks_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        model=_text(wire.model),
        previous_response_id=_text(wire.previous_response_id),
        needs_state=any((wire.previous_response_id, wire.conversation, wire.session_params)),
        stores=wire.store if isinstance(wire.store, bool) else None,
        is_background=wire.background is True,
        session_fields=session_fields,
        is_utf8=is_utf8,
    )


def _text(value: object) -> str | None:
    """A text that can be written down anywhere. One of megabytes would be kept with its session, sent to the leader and
    to the collector, logged, and told with each state. One with half of a surrogate pair (`"\\ud800"`, which JSON
    allows) is no UTF-8, and nothing that is told of it could be encoded. No engine has a model of such a name.
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
