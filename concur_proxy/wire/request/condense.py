"""A large JSON body without its long data, such as images in base64, so that the rest can be read in bounded time."""

import re
from collections.abc import Generator

from xxhash import xxh3_128

LARGE_BYTES = 8 * 1024 * 1024
"""A larger body is condensed before it is read. What remains is at most as large: eight megabytes of text are more
tokens than any model takes.
"""
LONG_BYTES = 64 * 1024
"""Shorter data stays."""
MOST_STRINGS = 1 << 18
"""A large body with more strings than this is not read: it would take too long."""
STEP_BYTES = 1024 * 1024
STEP_STRINGS = 4096
"""So many bytes, or short strings, are looked at in one step."""

_DATA = re.compile(rb"[A-Za-z0-9+/=_:;,.-]{1024}")
"""The beginning of data: no text has so many characters without a blank or an escape."""
_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_KEPT_BYTES = 64
"""The beginning of the data, which can name its type."""
_STAND_IN = re.compile(rb";omitted=(\d{1,10}),[0-9a-f]{32}\"")
_QUOTE, _BACKSLASH = b'"', b"\\"

Condensed = Generator[None, None, bytes | None]


def condense(body: bytes) -> Condensed:
    """Replace each long data string by a short one with its length and hash, in steps.

    Returns the shorter body; None if it cannot be condensed to `LARGE_BYTES`, or ends in a string. Equal data has equal
    stand-ins. The body may be anything, not only JSON; then so is the result.
    """
    view = memoryview(body)
    kept: list[bytes | memoryview] = []
    size = start = at = strings = 0
    while (quote := body.find(_QUOTE, at, at + STEP_BYTES)) >= 0 or at + STEP_BYTES < len(body):
        if size + at - start > LARGE_BYTES:
            return None
        if quote < 0:
            at += STEP_BYTES
            yield
            continue
        strings += 1
        if strings > MOST_STRINGS:
            return None
        if not strings % STEP_STRINGS:
            yield
        end = None
        if _DATA.match(body, quote + 1) is not None:
            end = yield from _end_of_data(body, quote + 1)
        if end is not None and end - quote > LONG_BYTES:
            stand_in = yield from _stand_in(view[quote + 1 : end])
            kept += [view[start : quote + 1], stand_in]
            size += quote + 1 - start + len(stand_in)
            start = end
        if end is None:
            end = yield from _end_of_text(body, quote + 1)
            if end is None:
                return None
        at = end + 1
    size += len(body) - start
    return b"".join((*kept, view[start:])) if size <= LARGE_BYTES else None


def full_size(raw: bytes | memoryview) -> int:
    """Return the size that a part of a body had before it was condensed."""
    return len(raw) + sum(int(size) for size in _STAND_IN.findall(raw))


def _end_of_data(body: bytes, at: int) -> Generator[None, None, int | None]:
    """Return the position of the quotation mark after the data at `at`; None if it has a backslash, or no end."""
    while at < len(body):
        end = body.find(_QUOTE, at, at + STEP_BYTES)
        if body.find(_BACKSLASH, at, end if end >= 0 else at + STEP_BYTES) >= 0:
            return None
        if end >= 0:
            return end
        at += STEP_BYTES
        yield
    return None


def _end_of_text(body: bytes, at: int) -> Generator[None, None, int | None]:
    """Return the position of the quotation mark after the text at `at`; None if it has no end."""
    while True:
        found = _TEXT.match(body, at, at + STEP_BYTES)
        end = at if found is None else found.end()
        if body[end : end + 1] == _QUOTE:
            return end
        if end == at and end + 1 >= len(body):  # nothing, or one backslash, is left
            return None
        at = end
        yield


def _stand_in(data: memoryview) -> Generator[None, None, bytes]:
    digest = xxh3_128()
    for at in range(0, len(data), STEP_BYTES):
        digest.update(data[at : at + STEP_BYTES])
        yield
    return b"%b;omitted=%d,%b" % (bytes(data[:_KEPT_BYTES]), len(data), digest.hexdigest().encode())
