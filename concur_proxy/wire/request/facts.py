"""What the gateway must know of a request's headers, found in one pass over them."""

import math
from collections.abc import Iterable

import msgspec

from concur_proxy.recognition.session_key import DEFAULT_SESSION_HEADERS, session_key

RawHeaders = Iterable[tuple[bytes, bytes]]
"""ASGI headers: lower-case names, in order, with duplicates."""

DEFAULT_END_HEADERS: tuple[str, ...] = ("x-session-end", "x-dynamo-session-final")
"""Headers by which a client says that this is its session's last request."""

# the SDKs tell their read time-out in seconds, the newer name first (openai 3.57, anthropic 2.13: both
# `_build_headers`)
_TIMEOUT_HEADERS = ("x-stainless-read-timeout", "x-stainless-timeout")

_TRUE = frozenset({b"true", b"1", b"yes"})

_END = -1
_CONTENT_ENCODING = -2
_CONTENT_TYPE = -3
_TIMEOUT = -4
_OLDER_TIMEOUT = -5


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The headers' facts. A msgspec.Struct, as it is made for every request."""

    session_key: str | None = None
    """From the first configured header that names one."""
    ends_session: bool = False
    """Whether this is said to be the session's last request."""
    content_encoding: bytes | None = None
    """The body's compression; None for none. A compressed body cannot be read here."""
    content_type: bytes | None = None
    client_timeout_s: float | None = None
    """How long the client says it waits in silence before it gives up, in seconds."""

    @property
    def is_json(self) -> bool:
        """Whether the body can be JSON that is readable here: no compression, and no type that says otherwise."""
        if self.content_encoding is not None:
            return False
        return self.content_type is None or b"json" in self.content_type.lower()


class RequestFactsReader:
    """Reads facts from headers; knows the headers that name and end a session, in order of precedence."""

    def __init__(
        self,
        session_headers: Iterable[str] = DEFAULT_SESSION_HEADERS,
        end_headers: Iterable[str] = DEFAULT_END_HEADERS,
    ) -> None:
        self._roles: dict[bytes, int] = {
            b"content-encoding": _CONTENT_ENCODING,
            b"content-type": _CONTENT_TYPE,
            _TIMEOUT_HEADERS[0].encode(): _TIMEOUT,
            _TIMEOUT_HEADERS[1].encode(): _OLDER_TIMEOUT,
        }
        self._roles |= {name.lower().encode("latin-1"): _END for name in end_headers}
        for precedence, name in enumerate(session_headers):
            self._roles.setdefault(name.lower().encode("latin-1"), precedence)

    def read(self, headers: RawHeaders) -> RequestFacts:
        """The facts in `headers`. Never raises."""
        roles = self._roles
        found: dict[int, bytes] = {}
        ends = False
        for name, value in headers:
            role = roles.get(name)
            if role is None:
                continue
            if role == _END:
                ends = ends or value.strip().lower() in _TRUE
            elif value and role not in found:
                # the first of several equal headers counts, but an empty one does not hide a later one
                found[role] = value
        key = None
        for role in sorted(found):
            if role >= 0 and (key := session_key(found[role])) is not None:
                break
        timeout = found.get(_TIMEOUT) or found.get(_OLDER_TIMEOUT)
        encoding = found.get(_CONTENT_ENCODING)
        return RequestFacts(
            session_key=key,
            ends_session=ends,
            content_encoding=None if encoding is None or encoding.strip().lower() == b"identity" else encoding,
            content_type=found.get(_CONTENT_TYPE),
            client_timeout_s=_seconds(timeout) if timeout is not None else None,
        )


def _seconds(value: bytes) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
