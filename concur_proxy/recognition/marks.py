"""The marks of Anthropic's prompt cache, which clients move from turn to turn: they say nothing about a prompt."""

import re
from collections.abc import Generator

STEP_BYTES = 1024 * 1024
"""So many bytes are searched for marks in one step."""
MOST_MARKS = 1000
"""Further marks stay. The API takes four."""

CACHE_MARK = b'"cache_control"'
_MARK_COMMA_BYTES = 64
"""The comma before a mark is not further away from it than this."""
_MARK = re.compile(rb'"cache_control"\s*:\s*(?:null|\{[^{}]{0,200}\})')
_MARK_WITH_COMMA = re.compile(_MARK.pattern + rb"\s*,?")
"""In a text the quotation marks have backslashes, so that neither matches."""


def without_marks(raw: bytes) -> Generator[None, None, bytes]:
    """Remove the marks of Anthropic's prompt cache, each with one comma: clients move them from turn to turn."""
    kept: list[bytes] = []
    start = 0
    at = yield from _next_mark(raw, 0)
    while at is not None and len(kept) < MOST_MARKS:
        before = raw[max(start, at - _MARK_COMMA_BYTES) : at]
        comma = before.rstrip()
        has_comma = comma.endswith(b",")
        mark = (_MARK if has_comma else _MARK_WITH_COMMA).match(raw, at)
        end = at + len(CACHE_MARK) if mark is None else mark.end()
        kept.append(raw[start : end if mark is None else at - len(before) + len(comma) - 1 if has_comma else at])
        start = end
        at = yield from _next_mark(raw, end)
    return b"".join((*kept, raw[start:])) if kept else raw


def _next_mark(raw: bytes, start: int) -> Generator[None, None, int | None]:
    for begin in range(start, len(raw), STEP_BYTES):
        at = raw.find(CACHE_MARK, begin, begin + STEP_BYTES + len(CACHE_MARK))
        if at >= 0:
            return at
        if len(raw) > STEP_BYTES:
            yield
    return None
