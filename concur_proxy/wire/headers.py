"""HTTP header fields, and which of them pass the gateway: all but those of a single connection (RFC 9110, 7.6.1)."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]
"""Header or trailer fields in the order on the wire, with duplicates. Names are lower-case unless stated otherwise."""

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
"""Fields of one connection: RFC 9110, 7.6.1, and for the two proxy fields RFC 2616, 13.5.1."""

TRACE_CONTEXT = frozenset({b"traceparent", b"tracestate"})
"""Headers that continue a trace from one process to the next: W3C Trace Context."""

# The gateway writes its own host field, and it has the whole body before it sends any byte.
_NOT_SENT_ON = HOP_BY_HOP | {b"host", b"expect"}
_NOT_SENT_BACK_NOR_LENGTH = HOP_BY_HOP | {b"content-length"}

# Naming one of these in `connection` does not remove it: they say where a message ends, what it is and who sent it.
_NEVER_NAMED = frozenset({b"content-length", b"host", b"content-type", b"content-encoding", b"authorization"})

_USUAL_OPTIONS = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})


def request_headers(
    headers: Headers, *, removed: frozenset[bytes] = frozenset(), added: Iterable[tuple[bytes, bytes]] = ()
) -> Headers:
    """Return the fields of a client's request that the engine gets: without those in `removed`, followed by `added`.

    `Host` is not among them: the engine's own is added later.
    """
    kept = _without(_NOT_SENT_ON | removed if removed else _NOT_SENT_ON, headers)
    kept += added
    return kept


def response_headers(headers: Headers, *, keep_length: bool = True) -> Headers:
    """Return the fields of an engine's answer that the client gets. Names may be in any case.

    Without `keep_length`, content-length is removed: for a stream from which an event may be stripped.
    """
    dropped = HOP_BY_HOP if keep_length else _NOT_SENT_BACK_NOR_LENGTH
    return _without(dropped, [(name.lower(), value) for name, value in headers])


def _without(dropped: frozenset[bytes], headers: Headers) -> Headers:
    kept: Headers = []
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
