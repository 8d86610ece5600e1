"""A whole JSON answer on its way to the client, read for its usage once it is complete."""

import json

from concur_proxy.wire.answer.dialects import ANSWER_DIALECTS
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape

MAX_PARSED_BYTES = 1024 * 1024
"""A larger answer is read at its end only, where the engines put usage: parsing it would hold up the event loop."""

TAIL_BYTES = 64 * 1024
"""How much of a larger answer's end is read."""


class AnswerTap:
    """One answer's body: used as `StreamTap` is, but never changes a byte."""

    __slots__ = ("_chunks", "_dialect", "_is_tail", "_size", "usage")

    def __init__(self, shape: ApiShape) -> None:
        self._dialect = ANSWER_DIALECTS[shape]
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_tail = False
        self.usage: Usage | None = None
        """Known after `finish`, where the answer told it."""

    def has_token(self, chunk: bytes) -> bool:  # noqa: ARG002
        """An answer that is whole brings them all at once."""
        return True

    def feed(self, chunk: bytes) -> bytes:
        """`chunk` itself."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_PARSED_BYTES:
            tail = b"".join(self._chunks)[-TAIL_BYTES:]
            self._chunks = [tail]
            self._size = len(tail)
            self._is_tail = True
        return chunk

    def finish(self) -> bytes:
        """Reads the usage; nothing is left to send."""
        body = b"".join(self._chunks)
        self._chunks = []
        self.usage = self._read_tail(body[-TAIL_BYTES:]) if self._is_tail else self._dialect.read_answer(body)
        return b""

    def _read_tail(self, tail: bytes) -> Usage | None:
        """The last object under the dialect's key, read as if it were the whole answer."""
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
