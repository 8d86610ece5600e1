"""Cross-origin headers for the gateway's own answers.

A browser hides an answer from a page of another origin unless the answer allows that origin (Fetch Standard, 4.10).
Whether it may is the engine's decision. So the gateway remembers what the engine allowed each origin, and says the same
when it answers itself.
"""

from concur_proxy.wire.headers import Headers

MAX_ORIGINS = 256

ALLOW_ORIGIN = b"access-control-allow-origin"
_ALLOWED = (ALLOW_ORIGIN, b"access-control-allow-credentials")

EXPOSED = b"retry-after, x-concur-reason, x-request-id"
"""Headers of an error that a page may read besides its status and body."""


class CorsMemory:
    """What engines allowed the origins that asked last."""

    def __init__(self) -> None:
        self._allowed: dict[bytes, Headers] = {}

    def learn(self, origin: bytes, answered: Headers) -> None:
        """Note an engine's answer to a request from this origin. Names are lower-case."""
        self._allowed.pop(origin, None)
        allowed = [field for field in answered if field[0] in _ALLOWED]
        if any(name == ALLOW_ORIGIN for name, _ in allowed):
            self._allowed[origin] = allowed
            if len(self._allowed) > MAX_ORIGINS:
                del self._allowed[next(iter(self._allowed))]

    def headers(self, origin: bytes) -> Headers:
        """The fields for an answer of the gateway to this origin; none if no engine allowed it."""
        allowed = self._allowed.get(origin)
        if allowed is None:
            return []
        return [*allowed, (b"access-control-expose-headers", EXPOSED), (b"vary", b"origin")]
