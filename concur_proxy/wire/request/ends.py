"""The simple fields at both ends of a JSON body, for a body that is too large to be read."""

import re
from collections.abc import Container

END_BYTES = 4096
"""So many bytes at each end are looked at."""

_TEXT = rb'"(?:[^"\\]|\\.)*+"'
_PAIR = re.compile(rb"\s*+(%b\s*+:\s*+(?:%b|[-+.\w]++))\s*+([,}])" % (_TEXT, _TEXT), re.DOTALL)
"""A name with a value that is no object and no array, and the character after it."""
_COMMA = re.compile(rb',(?=\s*+")')


def simple_ends(body: bytes) -> bytes:
    """Return an object with those top-level fields that have only simple values between them and the beginning of the
    body, or its end. In what SDKs send, that is all but the prompt and the tools.

    This holds for a body that is JSON; from any other, the result may be anything.
    """
    head, tail = body[:END_BYTES].lstrip(), body[-END_BYTES:].rstrip()
    pairs, places = _pairs(head, 1) if head[:1] == b"{" else ([], [0])
    if places[-1] < len(body):
        pairs += _last_pairs(tail)
    return b"{%b}" % b",".join(pairs)


def _pairs(text: bytes, at: int, known: Container[int] = ()) -> tuple[list[bytes], list[int]]:
    """The pairs from `at` on, up to a known place, and the places where they begin and where the last one ends."""
    pairs, places = [], [at]
    while at not in known and (match := _PAIR.match(text, at)) is not None:
        pairs.append(match[1])
        at = match.end()
        places.append(at)
        if match[2] == b"}":
            break
    return pairs, places


def _last_pairs(tail: bytes) -> list[bytes]:
    """The pairs that reach to the end: those after the first comma from which this is so."""
    in_vain: set[int] = set()
    for comma in _COMMA.finditer(tail):
        pairs, places = _pairs(tail, comma.end(), in_vain)
        if pairs and places[-1] == len(tail) and tail.endswith(b"}"):
            return pairs
        in_vain.update(places)
    return []
