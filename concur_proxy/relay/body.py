"""Receives the bodies of requests, within limits."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGone(Exception):  # noqa: N818 - a fact, not a fault
    """The client closed its connection before its request was complete."""


class BodyTooLarge(Exception):  # noqa: N818 - as above
    """The body exceeds the configured limit."""


class BodiesTooLarge(Exception):  # noqa: N818 - as above
    """All bodies that arrive at the moment exceed the configured limit together."""


class BodyRoom:
    """The memory for the bodies of all requests in progress together."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int, *, limit: int) -> None:
        """Count `size` more bytes. Raises `BodiesTooLarge` if all were more than `limit` then; they do not count."""
        if self.used + size > limit:
            raise BodiesTooLarge
        self.used += size

    def give_back(self, size: int) -> None:
        """The bytes are no longer held."""
        self.used -= size


@dataclass(slots=True, kw_only=True)
class SharedRoom:
    """What one request may take of the room for all."""

    room: BodyRoom
    limit: int
    """Bytes of all bodies together."""
    taken: int = 0
    """Bytes of this request's body. They stay in memory for a retry until its answer has ended."""

    def take(self, size: int) -> None:
        self.room.take(size, limit=self.limit)
        self.taken += size

    def give_back(self) -> None:
        self.room.give_back(self.taken)
        self.taken = 0


async def read_body(
    receive: Receive, *, declared: bytes | str | None, limit: int, room: SharedRoom | None = None
) -> bytes:
    """Return the whole body. `declared` is the value of content-length, None if there is no such header.

    Its size is taken from `room`, and the caller gives it back, also after an error. Raises `BodyTooLarge` beyond
    `limit` bytes, at once if `declared` exceeds it, `BodiesTooLarge` if there is no room, and `ClientGone` if the
    client leaves before the end.
    """
    if declared is not None and int(declared) > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        if room is not None:
            room.take(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            if len(parts) == 1:
                return parts[0]
            body = b"".join(parts)
            await asyncio.sleep(0)  # joining a large body takes long; others have their turn before it is read
            return body
