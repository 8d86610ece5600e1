"""A long list of messages in pieces, so that no step decodes more than a piece."""

import re
from collections.abc import Generator
from itertools import chain, pairwise

import msgspec

from concur_proxy.wire.request.wire_fields import Wire

_NEXT = re.compile(rb'\}\s*,\s*(?=\{\s*"role"\s*:)')
"""Between two messages. In a text, the quotation marks have backslashes, so that it never matches. It also matches
within a message that contains messages; then the pieces are no JSON.
"""
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def read_pieces(
    body: bytes, decoder: "msgspec.json.Decoder[Wire]", piece_bytes: int
) -> Generator[None, None, Wire | None]:
    """Decode a body as the decoder does, whose `messages` are a list, in pieces of about this size.

    Returns None if that is not possible: the body may be no valid JSON, or its longest part is no list of messages.
    """
    cuts = yield from _cuts(body, piece_bytes)
    if not cuts:
        return None
    (end, _), (_, begin) = cuts[0], cuts[-1]
    try:
        first = decoder.decode(body[:end] + b"]}")
        opened = first.messages
        if not isinstance(opened, list) or not opened or not body.endswith(bytes(opened[-1]), 0, end):
            return None  # another list was cut
        yield
        middle: list[msgspec.Raw] = []
        for (_, start), (stop, _) in pairwise(cuts):
            middle += _LIST.decode(b"[%b]" % body[start:stop])
            yield
        last = decoder.decode(b'{"messages":[' + body[begin:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(last.messages, list) or not body.startswith(bytes(last.messages[0]), begin):
        return None  # the body has two lists of messages
    fields = {name: getattr(last, name) or getattr(first, name) for name in first.__struct_fields__}
    fields["messages"] = list(chain(opened, middle, last.messages))
    return type(first)(**fields)


def _cuts(body: bytes, piece_bytes: int) -> Generator[None, None, list[tuple[int, int]]]:
    """Where the body can be cut: the end of a message, and the beginning of the next one."""
    cuts: list[tuple[int, int]] = []
    at = piece_bytes
    while at < len(body):
        found = _NEXT.search(body, at, at + piece_bytes)
        if found is not None:
            cuts.append((found.start() + 1, found.end()))
        at += piece_bytes
        yield
    return cuts
