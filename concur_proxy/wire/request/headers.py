"""Which headers pass the gateway: all but those of a single connection (RFC 9110, 7.6.1), in order, with duplicates."""

from collections.abc import Iterable

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields of one hop: RFC 9110, 7.6.1, and RFC 2616, 13.5.1 for the proxy's own two."""

RANK_HEADER = b"x-data-parallel-rank"
"""Pins a request to the rank where its session's cache is: vLLM and SGLang."""

# the gateway writes its own host, and has the whole body before it sends any of it
_NOT_SENT_ON = HOP_BY_HOP | {b"host", b"expect"}
_NOT_SENT_BACK_NOR_LENGTH = HOP_BY_HOP | {b"content-length"}

# a peer may not talk the gateway out of the fields that say where a message ends, what it is and whose it is
_NEVER_NAMED = frozenset({b"content-length", b"host", b"content-type", b"content-encoding", b"authorization"})

_USUAL_OPTIONS = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})

HeaderList = list[tuple[bytes, bytes]]
"""ASGI headers: lower-case names, in order, with duplicates."""


def request_headers(headers: Iterable[tuple[bytes, bytes]]) -> HeaderList:
    """A client's headers (lower-case names) as the engine shall get them, but for the host, which is the engine's."""
    return _without(_NOT_SENT_ON, headers)


def response_headers(headers: Iterable[tuple[bytes, bytes]], *, keep_length: bool = True) -> HeaderList:
    """An engine's headers (names in any case) as the client shall get them.

    Without `keep_length`, content-length goes too: for a stream from which an event may be stripped.
    """
    dropped = HOP_BY_HOP if keep_length else _NOT_SENT_BACK_NOR_LENGTH
    return _without(dropped, [(name.lower(), value) for name, value in headers])


def _without(dropped: frozenset[bytes], headers: Iterable[tuple[bytes, bytes]]) -> HeaderList:
    kept: HeaderList = []
    named: set[bytes] = set()
    for field in headers:
        if field[0] not in dropped:
            kept.append(field)
        elif field[0] == b"connection" and field[1] not in _USUAL_OPTIONS:
            named.update(option.strip() for option in field[1].lower().split(b","))
    named -= _NEVER_NAMED
    if not named:
        return kept
    return [field for field in kept if field[0] not in named]
