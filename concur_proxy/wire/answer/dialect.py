"""What the gateway asks of an API's answers, whole or streamed."""

from typing import Protocol

import msgspec

from concur_proxy.wire.answer.usage import Usage


class EventReading(msgspec.Struct, frozen=True, kw_only=True):
    """What one event of a stream said. Fields that it did not speak of are None."""

    usage: Usage | None = None
    """The count so far, this event's included."""
    choices: int | None = None
    """How many choices it carried."""
    ends_choice: bool = False
    """Whether one of them is complete with it."""
    fingerprint: bytes | None = None
    """`system_fingerprint` as JSON text."""


class AnswerDialect(Protocol):
    """One API's way to report what an answer cost. Its methods never raise: what they cannot read says nothing."""

    @property
    def markers(self) -> tuple[bytes, bytes]:
        """Bytes of which every event worth parsing holds at least one; equal where one is enough."""
        ...

    @property
    def tail_key(self) -> bytes:
        """The quoted JSON key whose object alone tells the usage, for answers too large to parse."""
        ...

    def has_token(self, events: bytes) -> bool:
        """Whether this part of a stream's beginning brings a token: what an engine may say before it has computed the
        prompt does not.
        """
        ...

    def read_event(self, data: bytes, before: Usage | None) -> EventReading | None:
        """One event's data; `before` is the usage read from earlier events of the same stream."""
        ...

    def read_answer(self, body: bytes) -> Usage | None:
        """A whole JSON answer."""
        ...
