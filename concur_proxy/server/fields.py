"""Header fields that most requests have in common, such as those with which an SDK describes itself. Each exists once:
otherwise they would take 2 kB for each request that waits.
"""

from concur_proxy.wire.headers import Headers

MOST = 1024
"""Remembered fields. All are forgotten when there are more, so that no client can fill the memory."""
LONG_BYTES = 128
"""Longer values are not shared."""
_NAMES = (
    *(b"accept", b"accept-encoding", b"accept-language", b"anthropic-beta", b"anthropic-version", b"connection"),
    *(b"content-type", b"host", b"user-agent", b"x-app", b"x-stainless-arch", b"x-stainless-async"),
    *(b"x-stainless-helper-method", b"x-stainless-lang", b"x-stainless-os", b"x-stainless-package-version"),
    *(b"x-stainless-read-timeout", b"x-stainless-retry-count", b"x-stainless-runtime"),
    *(b"x-stainless-runtime-version", b"x-stainless-timeout"),
)
_SHARED = {name: name for name in _NAMES}
"""Names of fields that have few values. They are neither secret nor different for each request or agent."""
_OTHERS = (b"authorization", b"content-length", b"transfer-encoding", b"x-api-key", b"x-request-id", b"x-session-id")
_LOWER = {spelling: name for name in _OTHERS for spelling in (name, name.title())}
"""The lower-case names of other common fields, by the spellings that clients use."""


class SharedFields:
    """Makes the fields of all requests."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}

    def add(self, headers: Headers, name: bytes, value: bytes) -> None:
        """Add a field to the headers of a request, with its name in lower case."""
        field = (name, value)
        known = self._known.get(field)
        headers.append(self._made(field) if known is None else known)

    def _made(self, field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        name, value = field
        lower = _LOWER.get(name)
        if lower is not None:
            return lower, value
        lower = name.lower()
        shared = _SHARED.get(lower)
        if shared is None or len(value) > LONG_BYTES:
            return lower, value
        if len(self._known) >= MOST:
            self._known.clear()
        made = self._known[field] = (shared, value)
        return made
