"""Taps: each sees the bytes of an answer before the client gets them, and reads what they say about it.

The tap for event streams also removes the event that only the gateway asked for.
"""

import re

from concur_proxy.wire.answer.dialect import EventReading, Tap
from concur_proxy.wire.answer.dialects import ANSWER_DIALECTS
from concur_proxy.wire.answer.json_tap import JsonTap
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import Headers

MAX_STRIPPED_BYTES = 64 * 1024
"""With stripping: a usage event is far smaller, so a larger unfinished event is passed on."""

MAX_READ_BYTES = 8 * 1024 * 1024
"""Without stripping: a larger event (a response repeated at its stream's end) is not kept and read."""

MAX_EVENT_LINES = 1024
"""An event of more lines is passed on unread."""

_EVENT_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
_FRAMED_EVENT_ENDS = tuple(end + b"\r\n" for end in _EVENT_ENDS)
_EVENT_END = re.compile(rb"\n\r?\n|\r\r")
_COMMENT_END = re.compile(rb"[\r\n]+")
_COMMENT = b":"
_LINE_BREAKS = b"\r\n"
_OVERLAP = 2
"""An event's end can be cut after two of its bytes: `\\n\\r`."""


def choose_tap(shape: ApiShape, headers: Headers, *, strip: bool = False, fingerprint: bytes | None = None) -> Tap:
    """Return the tap for an answer with these headers (names in any case). A compressed answer cannot be read.

    `strip` and `fingerprint` are for streams, see `StreamTap`.
    """
    content_type = b""
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"content-encoding":
            return NoTap()
        if lowered == b"content-type":
            content_type = value.lower()
    if content_type.startswith(b"text/event-stream"):
        return StreamTap(shape, strip=strip, fingerprint=fingerprint)
    return JsonTap(shape) if b"json" in content_type else NoTap()


class NoTap:
    """Passes everything on unread."""

    usage = None

    def has_token(self, chunk: bytes) -> bool:
        """Whether the chunk is anything but a comment."""
        return not chunk.startswith(b":")

    def is_plain(self, framed: bytes) -> bool:  # noqa: ARG002
        """Always true."""
        return True

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk."""
        return chunk

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


class StreamTap:
    """Reads one answer's stream.

    Without `strip`, `feed` returns the chunk itself. With `strip`, it removes whole usage events without choices, which
    the engine adds for `stream_options.include_usage`. An event that a chunk leaves unfinished waits for its end; every
    other byte passes at once. Stripping stops if other events of the stream report usage too, because such an engine
    reports it unasked.

    If usage is asked for, vLLM 0.32 moves `system_fingerprint` from the last chunk with a choice to the usage event. A
    `fingerprint` known from an earlier stream of the same engine is put back, so that the client sees what it would
    have seen without the gateway.
    """

    __slots__ = (
        "_dialect",
        "_first",
        "_is_passing",
        "_put_back",
        "_second",
        "_strip",
        "_unfinished",
        "_usage_is_unasked",
        "fingerprint",
        "has_ended_choice",
        "usage",
    )

    def __init__(self, shape: ApiShape, *, strip: bool = False, fingerprint: bytes | None = None) -> None:
        self._dialect = ANSWER_DIALECTS[shape]
        self._first, self._second = self._dialect.markers
        self._strip = strip
        self._put_back = fingerprint
        self.fingerprint: bytes | None = None
        """The engine's `system_fingerprint` as JSON text; None until the stream has it."""
        self.has_ended_choice = False
        """Whether an event that ends a choice has come. Without a fingerprint by then, the engine has none."""
        self._unfinished = bytearray()
        self._is_passing = False
        self.usage: Usage | None = None
        """The usage read so far; None until the stream reports it."""
        self._usage_is_unasked = False

    def has_token(self, chunk: bytes) -> bool:
        """Whether a chunk of the stream's beginning brings a token. Comments may come before it."""
        while chunk.startswith(_COMMENT):  # the token may follow in the same chunk
            end = _COMMENT_END.search(chunk)
            chunk = b"" if end is None else chunk[end.end() :]
        return bool(chunk) and self._dialect.has_token(chunk)

    def is_plain(self, framed: bytes) -> bool:
        """Whether a chunk, with the framing of HTTP, has whole events of which none says anything about usage."""
        if self._unfinished or not framed.endswith(_FRAMED_EVENT_ENDS):
            return False
        if framed.rfind(self._first) < 0 and framed.rfind(self._second) < 0:
            return True
        return not self._may_tell(framed)

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to send in place of `chunk`; may be empty."""
        if self._unfinished or not chunk.endswith(_EVENT_ENDS):
            passed = self._feed_unfinished(chunk)
        elif chunk.rfind(self._first) < 0 and chunk.rfind(self._second) < 0:
            # rfind is 2 to 4 times as fast as `in` on chunks of 200 bytes to 60 kB (CPython 3.11).
            return chunk
        else:
            passed = self._examine(chunk)
        return passed if self._strip else chunk

    def finish(self) -> bytes:
        """Return what is left of an event without an end."""
        left = bytes(self._unfinished)
        self._unfinished.clear()
        examined = self._examine_event(left)
        return examined if self._strip else b""

    def _feed_unfinished(self, chunk: bytes) -> bytes:
        unfinished = self._unfinished
        search_from = max(0, len(unfinished) - _OVERLAP)
        unfinished += chunk
        start, mark = max((unfinished.rfind(mark, search_from), mark) for mark in _EVENT_ENDS)
        passed = b""
        if start >= 0:
            end = start + len(mark)
            passed = self._examine(bytes(unfinished[:end]))
            del unfinished[:end]
        if len(unfinished) > (MAX_STRIPPED_BYTES if self._strip else MAX_READ_BYTES):
            self._is_passing = True
        if self._is_passing:
            passed += bytes(unfinished[:-_OVERLAP])
            del unfinished[:-_OVERLAP]
        return passed

    def _examine(self, block: bytes) -> bytes:
        """Examine whole events. Stray line breaks may follow the last one."""
        if not self._is_passing and block.rfind(self._first) < 0 and block.rfind(self._second) < 0:
            return block
        passed = []
        start = 0
        for end in _EVENT_END.finditer(block):
            passed.append(self._examine_event(block[start : end.end()]))
            start = end.end()
        passed.append(block[start:])
        return b"".join(passed)

    def _examine_event(self, event: bytes) -> bytes:
        if self._is_passing:
            # This is the end of an event whose beginning was passed on unread.
            self._is_passing = False
            return event
        if not self._may_tell(event):
            return event
        before = self.usage
        reading = self._dialect.read_event(_data(event), before)
        if reading is None:
            return event
        self.usage = reading.usage
        self.fingerprint = reading.fingerprint or self.fingerprint
        self.has_ended_choice = self.has_ended_choice or reading.ends_choice
        if reading.usage is not before and reading.choices:
            self._usage_is_unasked = True
        return self._rewrite(event, reading, tells_usage=reading.usage is not before)

    def _may_tell(self, event: bytes) -> bool:
        """Whether an event, or one of several, is worth parsing. SGLang writes `"usage":null` into every event of a
        completion.
        """
        at = event.find(self._first)
        if at < 0:
            return self._second in event
        after = at + len(self._first)
        return not event.startswith(b":null", after) or event.find(self._first, after) >= 0 or self._second in event

    def _rewrite(self, event: bytes, reading: EventReading, *, tells_usage: bool) -> bytes:
        if not self._strip or self._usage_is_unasked:
            return event
        if tells_usage and reading.choices == 0:
            # Line breaks before the event's first byte belong to no event and stay.
            return event[: len(event) - len(event.lstrip(_LINE_BREAKS))]
        if reading.ends_choice and reading.fingerprint is None and self._put_back is not None:
            end = event.rfind(b"}")
            return b"".join((event[:end], b',"system_fingerprint":', self._put_back, event[end:]))
        return event


def _data(event: bytes) -> bytes:
    """Return the event's `data:` lines, joined as the standard says."""
    if event.count(b"\n") + event.count(b"\r") > 2 * MAX_EVENT_LINES:
        return b""
    lines = event.strip(_LINE_BREAKS).splitlines()
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
