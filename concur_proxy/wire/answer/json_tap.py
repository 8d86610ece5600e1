"""Taps for JSON answers: one reads the usage, one the id of a response."""

import json
import re
from collections.abc import Callable

from concur_proxy.wire.answer.dialect import Tap
from concur_proxy.wire.answer.dialects import ANSWER_DIALECTS
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape

MAX_PARSED_BYTES = 256 * 1024
"""A larger JSON answer is read only at its end, where the engines put usage: parsing it would block the event loop."""

TAIL_BYTES = 64 * 1024
"""How much of a larger answer's end is read."""

MAX_TAIL_TRIES = 8
"""How many places in an answer's end may look like the usage."""

ID_SEARCH_BYTES = 4096
"""How much of an answer is searched for its id: both engines write it first, and a stream's first event repeats the
response without its output.
"""

_RESPONSE_ID = re.compile(rb'"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,128})"')
_MESSAGE_ID = re.compile(rb'"id"\s*:\s*"((?:msg_|chatcmpl-)[A-Za-z0-9_-]{1,128})"')
"""vLLM gives an answer of the Messages API the id of a chat completion."""


class JsonTap:
    """Reads a whole JSON answer for its usage once it is complete. It changes no byte."""

    __slots__ = ("_chunks", "_dialect", "_is_tail", "_size", "usage")

    def __init__(self, shape: ApiShape) -> None:
        self._dialect = ANSWER_DIALECTS[shape]
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_tail = False
        self.usage: Usage | None = None
        """Known after `finish`, if the answer reports it."""

    def has_token(self, chunk: bytes) -> bool:  # noqa: ARG002
        """Always true: a whole answer brings all its tokens at once."""
        return True

    def is_plain(self, framed: bytes) -> bool:  # noqa: ARG002
        """Always false: the whole answer is kept."""
        return False

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
        for _ in range(MAX_TAIL_TRIES):
            if at < 0:
                break
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
    """Wraps another tap, and reports the id of the response, or of the message in the Messages API, as soon as it
    passes, because the client may retrieve or cancel a response before it has ended.
    """

    def __init__(self, inner: Tap, learn: Callable[[str], None], shape: ApiShape = ApiShape.RESPONSES) -> None:
        """`learn` is called once with the id."""
        self._pattern = _MESSAGE_ID if shape is ApiShape.ANTHROPIC else _RESPONSE_ID
        self._inner = inner
        self._learn = learn
        self._beginning: bytes | None = b""
        self.has_token = inner.has_token
        self.finish = inner.finish

    @property
    def usage(self) -> Usage | None:
        """What the inner tap has read."""
        return self._inner.usage

    def is_plain(self, framed: bytes) -> bool:
        """Whether the id has passed, and the inner tap needs nothing of the chunk."""
        return self._beginning is None and self._inner.is_plain(framed)

    def feed(self, chunk: bytes) -> bytes:
        """Search the chunk for the id, and return what the inner tap returns for the chunk."""
        if self._beginning is not None:
            self._search(chunk)
        return self._inner.feed(chunk)

    def _search(self, chunk: bytes) -> None:
        beginning = (self._beginning or b"") + chunk
        found = self._pattern.search(beginning, 0, ID_SEARCH_BYTES)
        if found is not None:
            self._learn(found[1].decode())
        self._beginning = None if found is not None or len(beginning) >= ID_SEARCH_BYTES else beginning
