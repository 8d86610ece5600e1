"""The simple fields at both ends of a JSON body, for a body that is too large to be read."""

import re

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
    pairs, at = _pairs(head, 1) if head[:1] == b"{" else ([], 0)
    if at < len(body):
        pairs += _last_pairs(tail)
    return b"{%b}" % b",".join(pairs)


def _pairs(text: bytes, at: int) -> tuple[list[bytes], int]:
    """The pairs from `at` on, and where they end."""
    pairs = []
    while (match := _PAIR.match(text, at)) is not None:
        pairs.append(match[1])
        at = match.end()
        if match[2] == b"}":
            break
    return pairs, at


def _last_pairs(tail: bytes) -> list[bytes]:
    """The pairs that reach to the end: those after the first comma from which this is so."""
    for comma in _COMMA.finditer(tail):
        pairs, at = _pairs(tail, comma.end())
        if pairs and at == len(tail) and tail.endswith(b"}"):
            return pairs
    return []
