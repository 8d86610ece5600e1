"""The elements of a long JSON array, decoded in pieces. An array with too many elements is not decoded to its end."""

import re
from collections.abc import Generator, Iterator
from itertools import islice

import msgspec

PIECE_BYTES = 64 * 1024
"""So many bytes are decoded in one step, unless an element is longer."""
LONG_BYTES = 1024 * 1024
MOST_COMMAS = 1 << 18
"""A piece that is longer than `LONG_BYTES` and has more commas is not decoded: each element takes memory and time."""
TRIES = 4
"""So many places are tried for the end of a piece before it becomes longer."""

_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_FIRST = re.compile(rb'\[(\s{0,64})(\{\s{0,64}"[^"\\]{0,64}"|[{["]|)')
"""The blanks before the first element, and its beginning. Elements of one array often begin with the same name."""


def elements_of(array: bytes, most: int) -> Generator[None, None, list[msgspec.Raw] | None]:
    """Return the elements of an array, as slices, in steps. None if there are more than `most`, or too many in a piece.

    `array` is JSON: a slice that a decoder has returned.
    """
    found: list[msgspec.Raw] = []
    start, size = 1, PIECE_BYTES
    separator = _separator(array)
    while len(array) - start > size:
        is_short = size == PIECE_BYTES
        for cut in islice(_cuts(array, separator, start, start + size), TRIES if is_short else 1):
            piece = _decoded(b"[%b]" % array[start:cut])
            yield
            if piece is not None:
                found += piece
                start, size = cut + 1, PIECE_BYTES
                break
        else:  # what was tried is in the middle of an element
            size *= 2
        if len(found) > most:
            return None
    last = array if start == 1 else b"[" + array[start:]
    if _is_costly(last):
        return None
    found += _LIST.decode(last)
    return found if len(found) <= most else None


def _separator(array: bytes) -> bytes:
    """What is between two elements, with the beginning of the second one: a guess, which most encoders fulfil."""
    first = _FIRST.match(array)
    blanks, begin = first.groups() if first is not None else (b"", b"")
    separators = [b"," + gap + begin for gap in (b"", b" ", blanks)]
    return next((separator for separator in separators if separator in array), separators[0])


def _cuts(array: bytes, separator: bytes, first: int, last: int) -> Iterator[int]:
    """The commas at which a piece may end, the last one first."""
    while (at := array.rfind(separator, first, last)) > first:
        last = at + len(separator) - 1
        yield at


def _decoded(piece: bytes) -> list[msgspec.Raw] | None:
    """The elements of a piece; None if it ends in the middle of one."""
    if _is_costly(piece):
        return None
    try:
        return _LIST.decode(piece)
    except msgspec.DecodeError:
        return None


def _is_costly(piece: bytes) -> bool:
    return len(piece) > LONG_BYTES and piece.count(b",") > MOST_COMMAS
