"""Which tap reads an answer's usage as it passes."""

from typing import Protocol

from concur_proxy.wire.answer.json_tap import AnswerTap
from concur_proxy.wire.answer.sse import StreamTap
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape


class Tap(Protocol):
    """Sees every chunk of an answer and says what to hand on in its place."""

    @property
    def usage(self) -> Usage | None:
        """What the answer cost, once it has told."""
        ...

    def has_token(self, chunk: bytes) -> bool:
        """Whether a chunk of the answer's beginning brings a token; asked before `feed`, until one does."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to hand on; may be empty."""
        ...

    def finish(self) -> bytes:
        """The bytes to hand on at the end."""
        ...


class NoTap:
    """Hands everything on unread."""

    usage = None

    def has_token(self, chunk: bytes) -> bool:
        """Who cannot read takes anything for one, but for a comment."""
        return not chunk.startswith(b":")

    def feed(self, chunk: bytes) -> bytes:
        """The chunk itself."""
        return chunk

    def finish(self) -> bytes:
        """Nothing is left."""
        return b""


def choose_tap(
    shape: ApiShape, headers: list[tuple[bytes, bytes]], *, strip: bool = False, fingerprint: bytes | None = None
) -> Tap:
    """The tap for an answer with these headers; a compressed answer cannot be read."""
    content_type = b""
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"content-encoding":
            return NoTap()
        if lowered == b"content-type":
            content_type = value.lower()
    if content_type.startswith(b"text/event-stream"):
        return StreamTap(shape, strip=strip, fingerprint=fingerprint)
    return AnswerTap(shape) if b"json" in content_type else NoTap()
