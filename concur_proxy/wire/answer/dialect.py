"""The interfaces of the code that reads answers: a `Tap` sees the bytes of one answer, and an `AnswerDialect` knows how
one API reports token counts.
"""

from typing import Protocol

import msgspec

from concur_proxy.wire.answer.usage import Usage


class Tap(Protocol):
    """Sees every chunk of an answer and returns what to send in its place."""

    @property
    def usage(self) -> Usage | None:
        """What the answer cost; None until the answer has reported it."""
        ...

    def has_token(self, chunk: bytes) -> bool:
        """Whether the chunk brings a token. Called before `feed`, for each chunk until one does."""
        ...

    def is_plain(self, framed: bytes) -> bool:
        """Whether `feed` would learn nothing from a chunk and return it as it is. `framed` is the chunk with the
        framing of HTTP: a line with its size, and a line break after it.
        """
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to send in place of the chunk; may be empty."""
        ...

    def finish(self) -> bytes:
        """Return the bytes to send at the end."""
        ...


class EventReading(msgspec.Struct, frozen=True, kw_only=True):
    """What one event of a stream reports. A field that the event does not mention is None."""

    usage: Usage | None = None
    """The count so far, with this event."""
    choices: int | None = None
    """How many choices it has."""
    ends_choice: bool = False
    """Whether it completes a choice."""
    fingerprint: bytes | None = None
    """`system_fingerprint` as JSON text."""


class AnswerDialect(Protocol):
    """How one API reports what an answer cost. The methods never raise: what they cannot read counts as nothing."""

    @property
    def markers(self) -> tuple[bytes, bytes]:
        """Two byte strings. Every event worth parsing contains one or both. They are equal if one is enough."""
        ...

    @property
    def tail_key(self) -> bytes:
        """The quoted JSON key of the object that has the usage, for answers that are too large to parse."""
        ...

    def has_token(self, events: bytes) -> bool:
        """Whether this part of a stream's beginning brings a token. Some events come before the prompt is computed."""
        ...

    def read_event(self, data: bytes, before: Usage | None) -> EventReading | None:
        """Read an event's data. `before` is the usage that earlier events of the stream reported."""
        ...

    def read_answer(self, body: bytes) -> Usage | None:
        """Read a whole JSON answer."""
        ...
