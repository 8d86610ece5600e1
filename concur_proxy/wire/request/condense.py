"""A large JSON body without its long data, such as images in base64, so that the rest can be read in bounded time."""

import re
from collections.abc import Generator
from itertools import islice

from xxhash import xxh3_128

LARGE_BYTES = 8 * 1024 * 1024
"""A larger body is condensed before it is read. What remains is at most as large: eight megabytes of text are more
tokens than any model takes.
"""
LONG_BYTES = 64 * 1024
"""Shorter data stays."""
MOST_QUOTES = 1 << 18
"""A large body with more quotation marks than this is not read: it would take too long."""
STEP_BYTES = 1024 * 1024
STEP_QUOTES = 4096
"""So many bytes, or quotation marks, are looked at in one step."""
_QUOTE_BYTES = 64
"""A quotation mark takes as long as so many backslashes before it."""

DATA_BYTES = 1024
_DATA = re.compile(rb"[A-Za-z0-9+/=_:;,.-]{%d}" % DATA_BYTES)
"""The beginning of data: no text has so many characters without a blank or an escape."""
_KEPT_BYTES = 64
"""The beginning of the data, which can name its type."""
_STAND_IN = re.compile(rb";omitted=(\d{1,10}),[0-9a-f]{32}\"")
MOST_STAND_INS = 1024
"""More of them are not counted: a client may have written them itself."""
_QUOTE, _BACKSLASH = b'"', b"\\"
_TAILS = (8, 4096)
"""How far back backslashes before a quotation mark are counted. More of them are in no text."""


class _CannotError(Exception):
    """The body cannot be condensed."""


def condense(body: bytes) -> Generator[None, None, bytes | None]:
    """Replace each long data string by a short one with its length and hash, in steps.

    Returns the shorter body; None if it cannot be condensed to `LARGE_BYTES`, or ends in a string. Equal data has equal
    stand-ins. The body may be anything, not only JSON; then so is the result.
    """
    try:
        return (yield from _Scan(body).run())
    except _CannotError:
        return None


class _Scan:
    """Finds the strings of one body, one after another."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._view = memoryview(body)
        self._kept: list[bytes | memoryview] = []
        self._size = 0
        """Bytes in `_kept`."""
        self._start = 0
        """All before this is in `_kept`, or was left out."""
        self._quotes = 0
        """What was looked at in this step, see `STEP_QUOTES`."""

    def run(self) -> Generator[None, None, bytes]:
        body, at = self._body, 0
        yield from self._count_quotes()
        while (quote := (yield from self._next_quote(at))) is not None:
            first = quote + 1
            end = body.find(_QUOTE, first, first + DATA_BYTES)
            if end >= 0 and body.find(_BACKSLASH, first, end) < 0:  # most strings are short
                at = end + 1
            else:
                at = yield from self._string(first)
        self._check(len(body))
        return b"".join((*self._kept, self._view[self._start :]))

    def _count_quotes(self) -> Generator[None, None, None]:
        quotes = 0
        for start in range(0, len(self._body), STEP_BYTES):
            quotes += self._body.count(_QUOTE, start, start + STEP_BYTES)
            if quotes > MOST_QUOTES:
                raise _CannotError
            yield

    def _string(self, first: int) -> Generator[None, None, int]:
        """Pass a string that begins at `first`. Returns the position after it."""
        is_data, at = _DATA.match(self._body, first) is not None, first
        while True:
            end = yield from self._next_quote(at)
            if end is None:
                raise _CannotError
            if not self._is_escaped(first, end):
                break
            at, is_data = end + 1, False
        if is_data and end - first > LONG_BYTES:
            stand_in = yield from _stand_in(self._view[first:end])
            kept = self._view[self._start : first]
            self._kept += [kept, stand_in]
            self._size += len(kept) + len(stand_in)
            self._start = end
        return end + 1

    def _next_quote(self, at: int) -> Generator[None, None, int | None]:
        """Find the first quotation mark from `at` on. Data can be passed without a limit, and text cannot."""
        while at < len(self._body):
            quote = self._body.find(_QUOTE, at, at + STEP_BYTES)
            if quote >= 0:
                self._quotes += 1
                if self._quotes >= STEP_QUOTES:
                    self._quotes = 0
                    self._check(at)
                    yield
                return quote
            at += STEP_BYTES
            yield
        return None

    def _is_escaped(self, first: int, quote: int) -> bool:
        """Whether an odd number of backslashes is before a quotation mark of the string that begins at `first`."""
        for size in _TAILS:
            tail = self._body[max(first, quote - size) : quote]
            backslashes = len(tail) - len(tail.rstrip(_BACKSLASH))
            self._quotes += size // _QUOTE_BYTES
            if backslashes < size:
                return backslashes % 2 == 1
        raise _CannotError

    def _check(self, end: int) -> None:
        """Raise if too much of what is before `end` is kept."""
        if self._size + end - self._start > LARGE_BYTES:
            raise _CannotError


def full_size(raw: bytes | memoryview) -> int:
    """Return the size that a part of a body had before it was condensed."""
    return len(raw) + sum(int(match[1]) for match in islice(_STAND_IN.finditer(raw), MOST_STAND_INS))


def _stand_in(data: memoryview) -> Generator[None, None, bytes]:
    digest = xxh3_128()
    for at in range(0, len(data), STEP_BYTES):
        digest.update(data[at : at + STEP_BYTES])
        yield
    return b"%b;omitted=%d,%b" % (bytes(data[:_KEPT_BYTES]), len(data), digest.hexdigest().encode())
