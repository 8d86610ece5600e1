"""Taps: each sees the bytes of an answer before the client gets them, and reads what they say about it."""

import json
import re
from collections.abc import Callable
from typing import Protocol

from concur_proxy.wire.answer.dialects import ANSWER_DIALECTS
from concur_proxy.wire.answer.sse import StreamTap
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import Headers

MAX_PARSED_BYTES = 1024 * 1024
"""A larger JSON answer is read only at its end, where the engines put usage: parsing it would block the event loop."""

TAIL_BYTES = 64 * 1024
"""How much of a larger answer's end is read."""

ID_SEARCH_BYTES = 4096
"""How much of an answer is searched for its id: both engines write it first, and a stream's first event repeats the
response without its output.
"""

_RESPONSE_ID = re.compile(rb'"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,128})"')


class Tap(Protocol):
    """Sees every chunk of an answer and returns what to send in its place."""

    @property
    def usage(self) -> Usage | None:
        """What the answer cost; None until the answer has said it."""
        ...

    def has_token(self, chunk: bytes) -> bool:
        """Whether the chunk brings a token. Called before `feed`, for each chunk until one does."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to send in place of the chunk; may be empty."""
        ...

    def finish(self) -> bytes:
        """Return the bytes to send at the end."""
        ...


class NoTap:
    """Passes everything on unread."""

    usage = None

    def has_token(self, chunk: bytes) -> bool:
        """Whether the chunk is anything but a comment."""
        return not chunk.startswith(b":")

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk."""
        return chunk

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


class JsonTap:
    """Reads a whole JSON answer for its usage once it is complete. It changes no byte."""

    __slots__ = ("_chunks", "_dialect", "_is_tail", "_size", "usage")

    def __init__(self, shape: ApiShape) -> None:
        self._dialect = ANSWER_DIALECTS[shape]
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_tail = False
        self.usage: Usage | None = None
        """Known after `finish`, where the answer says it."""

    def has_token(self, chunk: bytes) -> bool:  # noqa: ARG002
        """Always true: a whole answer brings all its tokens at once."""
        return True

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_PARSED_BYTES:
            tail = b"".join(self._chunks)[-TAIL_BYTES:]
            self._chunks = [tail]
            self._size = len(tail)
            self._is_tail = True
        return chunk

    def finish(self) -> bytes:
        """Read the usage; nothing is left to send."""
        body = b"".join(self._chunks)
        self._chunks = []
        self.usage = self._read_tail(body[-TAIL_BYTES:]) if self._is_tail else self._dialect.read_answer(body)
        return b""

    def _read_tail(self, tail: bytes) -> Usage | None:
        """Read the last object under the dialect's key as if it were the whole answer."""
        key = self._dialect.tail_key
        at = tail.rfind(key)
        while at >= 0:
            text = tail[at + len(key) :].lstrip()
            if text.startswith(b":"):
                usage = self._read_member(key, text[1:])
                if usage is not None:
                    return usage
            at = tail.rfind(key, 0, at)
        return None

    def _read_member(self, key: bytes, text: bytes) -> Usage | None:
        try:
            _, end = json.JSONDecoder().raw_decode(text.lstrip().decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
        member = text.lstrip().decode("utf-8", "replace")[:end].encode()
        return self._dialect.read_answer(b"{" + key + b":" + member + b"}")


class ResponseIdTap:
    """Another tap, and it reports the response's id as soon as it passes: the client may retrieve or cancel a response
    before it has ended.
    """

    def __init__(self, inner: Tap, learn: Callable[[str], None]) -> None:
        """`learn` is called once with the id."""
        self._inner = inner
        self._learn = learn
        self._beginning: bytes | None = b""
        self.has_token = inner.has_token
        self.finish = inner.finish

    @property
    def usage(self) -> Usage | None:
        """The inner tap's."""
        return self._inner.usage

    def feed(self, chunk: bytes) -> bytes:
        """Return what the inner tap returns."""
        if self._beginning is not None:
            self._search(chunk)
        return self._inner.feed(chunk)

    def _search(self, chunk: bytes) -> None:
        beginning = (self._beginning or b"") + chunk
        found = _RESPONSE_ID.search(beginning, 0, ID_SEARCH_BYTES)
        if found is not None:
            self._learn(found[1].decode())
        self._beginning = None if found is not None or len(beginning) >= ID_SEARCH_BYTES else beginning


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
