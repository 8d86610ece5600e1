"""The elements of a long JSON array, decoded in pieces. An array with too many elements is not decoded to its end."""

import re
from collections.abc import Generator, Iterable, Iterator
from itertools import islice

import msgspec

PIECE_BYTES = 256 * 1024
"""So many bytes are decoded in one step, unless an element is longer."""
FEW_COMMAS = 1 << 15
MOST_COMMAS = 1 << 18
COMMA_BYTES = 6
"""A longer piece that has more commas than one for each `COMMA_BYTES`, or than `MOST_COMMAS`, is only decoded if it is
one element: each element takes memory and time.
"""
SEARCH_BYTES = 1024 * 1024
"""So many bytes are searched for the end of a long piece in one step."""
TRIES = 4
"""So many places are tried for the end of a piece before it becomes longer."""

_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ONE = msgspec.json.Decoder(tuple[msgspec.Raw])
"""Stops at a second element."""
_FIRST = re.compile(rb'\[(\s{0,64})(?:(\{\s{0,64}"[^"\\]{0,64}")\s{0,64}:( ?)|([{["]?))')
"""The blanks before the first element, and its beginning. Elements of one array often begin with the same name."""


def elements_of(array: bytes, most: int) -> Generator[None, None, list[msgspec.Raw] | None]:
    """Return the elements of an array, as slices, in steps. None if there are more than `most`, or too many in a piece.

    `array` is JSON: a slice that a decoder has returned.
    """
    found: list[msgspec.Raw] = []
    start, size = 1, PIECE_BYTES
    separators = _separators(array)
    while True:
        is_last = len(array) - start <= size
        if is_last and (last := _decoded(array if start == 1 else b"[" + array[start:])) is not None:
            return found + last if len(found) + len(last) <= most else None
        for cut in _cuts(array, separators, start, size):
            yield
            if cut is not None and (piece := _decoded(b"[%b]" % array[start:cut])) is not None:
                found += piece
                start, size = cut + 1, PIECE_BYTES
                break
        else:  # what was tried is in the middle of an element
            if is_last:
                return None
            size *= 2
        if len(found) > most:
            return None
        yield


def _separators(array: bytes) -> list[bytes]:
    """What may be between two elements, with the beginning of the second one: guesses, of which most encoders fulfil
    the first.
    """
    first = _FIRST.match(array)
    blanks, name, gap, begin = first.groups() if first is not None else (b"", None, None, b"")
    if name:
        separator = b"," + (blanks or gap or b"") + name
        return [separator, separator[: separator.index(b'"') + 1]]
    return list(dict.fromkeys((b"," + blanks + begin, b", " + begin))) if begin else [b","]


def _cuts(array: bytes, separators: Iterable[bytes], start: int, size: int) -> Iterator[int | None]:
    """The commas at which the piece that begins at `start` may end, and None after each step of a search. In a long
    piece it is the one after what was tried before: probably the end of a long element.
    """
    if size <= PIECE_BYTES:
        yield from islice(_last_cuts(array, separators, start, start + size), TRIES)
        return
    for separator in separators:
        for begin in range(start + size // 2, start + size, SEARCH_BYTES):
            at = array.find(separator, begin, min(begin + SEARCH_BYTES, start + size))
            if at >= 0:
                yield at
                return
            yield None


def _last_cuts(array: bytes, separators: Iterable[bytes], start: int, end: int) -> Iterator[int]:
    for separator in separators:
        last = end
        while (at := array.rfind(separator, start, last)) > start:
            yield at
            last = at + len(separator) - 1


def _decoded(piece: bytes) -> list[msgspec.Raw] | None:
    """The elements of a piece. None if it ends in the middle of one, or has too many."""
    try:
        return list(_ONE.decode(piece)) if _has_many_commas(piece) else _LIST.decode(piece)
    except msgspec.DecodeError:
        return None


def _has_many_commas(piece: bytes) -> bool:
    if len(piece) <= PIECE_BYTES + len(b"[]"):
        return False
    commas, most = 0, min(max(FEW_COMMAS, len(piece) // COMMA_BYTES), MOST_COMMAS)
    for start in range(0, len(piece), PIECE_BYTES):
        commas += piece.count(b",", start, start + PIECE_BYTES)
        if commas > most:
            return True
    return False
