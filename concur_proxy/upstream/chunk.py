"""Recognises one HTTP chunk (RFC 9112, 7.1) by its first and last bytes, without a parser.

Engines write one event of a stream as one chunk, and a paced stream brings one event in each read. A chunk's size line
follows from its length, so that two comparisons tell whether the bytes are exactly one chunk.
"""

from functools import lru_cache

_LINE_END = b"\r\n"


def is_one_chunk(data: bytes) -> bool:
    """Whether these bytes, which begin where a chunk begins, are one whole chunk with data and without extensions. A
    size with a leading zero, or in digits of both cases, counts as unknown.
    """
    return data.startswith(_begins(len(data))) and data.endswith(_LINE_END)


@lru_cache(maxsize=2048)
def _begins(length: int) -> tuple[bytes, ...]:
    """The size lines with which a chunk of this length, with its framing, can begin."""
    for digits in range(1, 17):
        size = length - digits - 2 * len(_LINE_END)
        if size <= 0:
            break
        line = b"%x" % size
        if len(line) == digits:
            return (line + _LINE_END, line.upper() + _LINE_END) if not line.isdigit() else (line + _LINE_END,)
    return ()
