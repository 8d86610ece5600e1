"""Reads a request's JSON body in bounded time. What the gateway does not need is skipped, not built."""

import codecs
import json
from collections.abc import Generator, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from concur_proxy.steps import finish
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.body import MAX_MESSAGES, NOT_SENT, UNREAD_BODY, BodyFault, JsonBody, Prompt
from concur_proxy.wire.request.condense import LARGE_BYTES, condense
from concur_proxy.wire.request.ends import simple_ends
from concur_proxy.wire.request.pieces import elements_of
from concur_proxy.wire.request.wire_fields import UndividedWire, Values, Wire, body_of, prompt_of

MAX_FIELD_BYTES = 16 * 1024
"""Longer fields, apart from the prompt's, count as absent: objects of millions of parts would stop everything else."""
MAX_EXACT_BYTES = 256 * 1024
"""A larger body that is no strict JSON is not read with Python's json, which takes up to 200 ms for each megabyte."""
MAX_EXACT_MARKS = 8192
"""The same for a body with more braces, brackets, commas and backslashes, which decide how long Python's json takes."""
STEP_BYTES = 1024 * 1024
"""Bytes that are looked at in one step, where a body can be read in steps."""
FEW_BYTES = 256 * 1024
"""The messages of a larger body are divided in steps, and not if there are too many."""
QUICK_BYTES = 4 * 1024 * 1024
MOST_MARKS = 1_250_000
"""A body of more than `QUICK_BYTES` with more brackets and quotation marks counts as unread: they take four times as
long to decode as a text.
"""

Steps = Generator[None, None, "JsonBody | BodyFault"]
"""Reads a body in steps, so that its caller can do other work between two of them. It returns what was read."""


_TOO_LONG = "(too long)"
"""Stands for `stream_options` that are too long to be read: they were sent, and must not be changed."""


class JsonBodyReader:
    """Reads bodies. It also keeps the top-level fields that it is made for."""

    def __init__(self, fields: Iterable[str] = ()) -> None:
        own = set(Wire.__struct_fields__)
        names = list(dict.fromkeys(fields))
        self._attributes = [(name, name if name in own else f"field_{i}") for i, name in enumerate(names)]
        extra = [
            (attribute, msgspec.Raw, msgspec.field(default=NOT_SENT, name=name))
            for name, attribute in self._attributes
            if attribute != name
        ]
        self._divided = _decoder(Wire, extra)
        self._undivided = _decoder(UndividedWire, extra)

    def read(self, body: bytes) -> JsonBody | BodyFault:
        """Return the body's fields, or why it has none. Never raises."""
        return finish(self.steps(body))

    def steps(self, body: bytes) -> Steps:
        """Read as `read` does, in steps of 1 to 2 ms. One step decodes the body without its messages, which takes 1 to
        2 ms for each megabyte.

        So a large body is condensed before: the prompt's parts are then slices of the condensed body. A body that is
        large without its data counts as unread, apart from the simple fields at its ends.
        """
        text: bytes | None = body
        if len(body) > LARGE_BYTES:
            text = yield from condense(body)
            yield
        if text is None or (yield from _is_dense(text)):
            return self._read_ends(body)
        try:
            wire = yield from self._decode(text)
            values, fields = self._values(wire)
            if text is not body or not body.isascii():
                # The decoder does not check the text that it skips; Python's json, which the engines use, does.
                yield
                yield from _check_utf8(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return body_of(values, fields, prompt_of(wire), is_utf8=True)
        yield
        if text is body and _is_quick_to_build(body):
            return self._read_exactly(body)
        return (yield from self._read_repaired(text))

    def _decode(self, body: bytes) -> Generator[None, None, Wire]:
        """Decode the fields, and divide the messages."""
        if len(body) <= FEW_BYTES:
            try:
                return self._divided.decode(body)
            except msgspec.ValidationError:
                return self._undivided.decode(body)
        wire = self._undivided.decode(body)
        array = b"" if isinstance(wire.messages, list) else bytes(wire.messages)
        if array[:1] != b"[":
            return wire
        yield
        messages = yield from elements_of(array, MAX_MESSAGES)
        return wire if messages is None else replace(wire, messages=messages)

    def _values(self, wire: Wire) -> tuple[Values, dict[str, Any]]:
        """Decode the fields that are not the prompt's, and those that the reader was made for."""
        options = wire.stream_options
        values = Values(
            stream=_decoded(wire.stream),
            stream_options=(_decoded(options) if len(options) <= MAX_FIELD_BYTES else _TOO_LONG)
            if options
            else msgspec.UNSET,
            model=_decoded(wire.model),
            previous_response_id=_decoded(wire.previous_response_id),
            conversation=_decoded(wire.conversation),
            session_params=_decoded(wire.session_params),
            store=_decoded(wire.store),
            background=_decoded(wire.background),
            thread=_decoded(wire.thread),
        )
        fields: dict[str, Any] = {}
        for name, attribute in self._attributes:
            raw = getattr(wire, attribute)
            value: Any
            if attribute == "messages" and isinstance(raw, list):
                value = [_DECODER.decode(item) for item in raw]
            elif attribute in Prompt.__struct_fields__:
                value = _DECODER.decode(raw) if raw else None
            else:
                value = _decoded(raw)
            if value is not None:
                fields[name] = value
        return values, fields

    def _read_exactly(self, body: bytes) -> JsonBody | BodyFault:
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
        values = Values(**{name: value[name] for name in Values.__struct_fields__ if name in value})
        fields = {name: value[name] for name, _ in self._attributes if value.get(name) is not None}
        return body_of(values, fields, None, is_utf8=json.detect_encoding(body) == "utf-8")

    def _read_repaired(self, body: bytes) -> Steps:
        """Read a body that is too large for `_read_exactly`, with stand-ins for what only Python's json accepts.

        A body that cannot be read then either may still be JSON in another encoding. So it counts as unread, apart from
        its ends.
        """
        for word, stand_in in _STAND_INS:
            if word in body:
                body = body.replace(word, stand_in)
            yield
        try:
            yield from _check_utf8(body)
            values, fields = self._values(self._undivided.decode(body))
        except RecursionError as error:  # Python's json has the same limit
            return BodyFault(fault=GatewayFault.BAD_JSON, detail=str(error)[:200])
        except msgspec.ValidationError:
            return BodyFault(fault=GatewayFault.BODY_NOT_OBJECT, detail=f"it is {_kind_of(body)}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._read_ends(body)
        return body_of(values, fields, None, is_utf8=True)

    def _read_ends(self, body: bytes) -> JsonBody:
        """Read only the simple fields at both ends, such as the model, which decides where the request can go."""
        try:
            values, fields = self._values(self._undivided.decode(simple_ends(body)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return UNREAD_BODY
        return body_of(values, fields, None, is_utf8=False)


_STAND_INS = (
    (b"NaN", b"0  "),
    (b"Infinity", b"0       "),
    (b"\\ud", b"\\u0"),  # half of a surrogate pair
    (b"\\uD", b"\\u0"),
)
"""In a text, which may contain them too, they change nothing that the gateway reads."""

_DECODER = msgspec.json.Decoder()


def _decoded(raw: msgspec.Raw) -> Any:  # noqa: ANN401 - any JSON
    """Return a field's value; None if it is absent or too long."""
    return _DECODER.decode(raw) if raw and len(raw) <= MAX_FIELD_BYTES else None


def _is_dense(body: bytes) -> Generator[None, None, bool]:
    """Whether a body takes too long to decode in one step."""
    if len(body) <= QUICK_BYTES:
        return False
    marks = 0
    for start in range(0, len(body), STEP_BYTES):
        piece = body[start : start + STEP_BYTES]
        marks += len(piece) - len(piece.translate(None, b'[{"'))  # quicker than to count each of them
        if marks > MOST_MARKS:
            return True
        yield
    return False


def _check_utf8(body: bytes) -> Generator[None, None, None]:
    """Raise `UnicodeDecodeError` unless the body is UTF-8, in which Python's json also takes surrogates."""
    if len(body) <= STEP_BYTES:
        body.decode("utf-8", "surrogatepass")
        return
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    for start in range(0, len(body), STEP_BYTES):
        decoder.decode(body[start : start + STEP_BYTES])
        yield
    decoder.decode(b"", final=True)


def _is_quick_to_build(body: bytes) -> bool:
    if len(body) > MAX_EXACT_BYTES:
        return False
    return sum(map(body.count, (b"{", b"[", b",", b"\\"))) <= MAX_EXACT_MARKS


def _decoder(base: type[Wire], extra: list[tuple[str, Any, Any]]) -> msgspec.json.Decoder[Wire]:
    """A decoder of this struct with further fields."""
    return msgspec.json.Decoder(msgspec.defstruct("WireWithFields", extra, bases=(base,)))


def _kind_of(body: bytes) -> str:
    first = body.lstrip()[:1]
    return "an array" if first == b"[" else "a string" if first == b'"' else "no object"


def _json_kind(value: object) -> str:
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    return "null" if value is None else "a boolean" if isinstance(value, bool) else "a number"
