"""A connection between two workers, and what they send each other in addition to the messages of all gateways."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import msgspec

from concur_proxy.admission.changes import Change
from concur_proxy.coordination.protocol.messages import Message, ToLeader, ToReplica
from concur_proxy.coordination.responses import StoredResponse

logger = logging.getLogger(__name__)

LENGTH_BYTES = 4
"""Each frame begins with its length."""
MOST_UNREAD_BYTES = 64 << 20
"""A worker that leaves this much unread does not run. Its connection is cut, and it joins again when it runs."""


class Hello(Message, frozen=True, kw_only=True):
    """A worker wants to follow. It is the first message of a connection."""

    name: str


class Welcome(Message, frozen=True, kw_only=True):
    """The leader's answer: its term."""

    term: str


class Present(Message, frozen=True, kw_only=True):
    """The workers that follow have changed."""

    replicas: tuple[str, ...]


class Kept(Message, frozen=True, kw_only=True):
    """Sessions for the next leader: their encoded records, or None for sessions that are over."""

    records: dict[str, bytes | None]


class Learned(Message, frozen=True, kw_only=True):
    """Stored responses, by their ids."""

    responses: dict[str, StoredResponse]


OfWorkers = Hello | Welcome | Present | Kept | Learned
AnyMessage = ToLeader | ToReplica | OfWorkers

_encode = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(tuple[AnyMessage, ...]).decode


class Connection(asyncio.Protocol):
    """Sends and receives messages in order. All messages of one round of the event loop travel in one frame."""

    def __init__(
        self,
        on_messages: "Callable[[Connection, Sequence[AnyMessage]], None]",
        on_lost: "Callable[[Connection], None]",
    ) -> None:
        self.peer = ""
        """The name of the follower at the other end; empty until it has said it, and for a connection to the leader."""
        self._on_messages = on_messages
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._outbox: list[Message | Change] = []
        self._inbox = bytearray()
        self._is_closed = False
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._has_ended = self._loop.create_future()

    async def accept(self, visitor: socket.socket) -> None:
        """Use this socket, which another worker has made. Does nothing if that worker is gone again."""
        with suppress(OSError):
            await self._loop.connect_accepted_socket(lambda: self, visitor)

    def send(self, message: Message | Change) -> None:
        """Send the message in this round of the event loop."""
        if self._is_closed:
            return
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(message)

    def close(self) -> None:
        """Send what is left, and close. `on_lost` is not called."""
        self._flush()
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once. `on_lost` is not called."""
        self._is_closed = True
        if self._transport is not None:
            self._transport.abort()

    async def drained(self) -> bool:
        """Wait until the other worker has read most of what was sent. Returns whether the connection is still open."""
        self._flush()
        await self._can_write.wait()
        return not self._is_closed

    async def ended(self) -> None:
        """Wait until everything was sent after `close`."""
        await self._has_ended

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waits."""
        self._transport = cast("asyncio.Transport", transport)
        self._flush()

    def pause_writing(self) -> None:
        """The other worker reads less than is sent."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """The other worker has read most of it."""
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        """Handle the frames that are complete."""
        inbox, begin, messages = self._inbox, 0, list[AnyMessage]()
        inbox += data
        with memoryview(inbox) as view:
            while len(inbox) - begin >= LENGTH_BYTES:
                body = begin + LENGTH_BYTES
                end = body + int.from_bytes(view[begin:body], "big")
                if end > len(inbox):
                    break
                messages += _decode(view[body:end])
                begin = end
        del inbox[:begin]
        if messages and not self._is_closed:
            self._on_messages(self, messages)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's argument
        """The other worker has ended, or either of both has closed the connection."""
        self._transport = None
        self._can_write.set()
        if not self._has_ended.done():
            self._has_ended.set_result(None)
        if not self._is_closed:
            self._is_closed = True
            self._on_lost(self)

    # -- sending

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or not self._outbox or self._is_closed:
            return
        messages, self._outbox = self._outbox, []
        for frame in _frames(messages):
            transport.write(frame)
        if transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            logger.warning("worker %s does not read its messages: its connection is cut", self.peer or "that leads")
            transport.abort()


def _frames(messages: Sequence[Any]) -> Sequence[bytearray]:
    try:
        return [_frame(messages)]
    except (ValueError, OverflowError, TypeError):
        if len(messages) > 1:
            return [frame for message in messages for frame in _frames([message])]
        logger.exception("a message that cannot be encoded was dropped")
        return []


def _frame(messages: Sequence[Any]) -> bytearray:
    frame = bytearray(LENGTH_BYTES)
    _encode.encode_into(messages, frame, LENGTH_BYTES)
    frame[:LENGTH_BYTES] = (len(frame) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return frame
