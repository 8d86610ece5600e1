"""Connections to one engine over HTTP/1.1."""

import asyncio
from collections.abc import Iterable
from typing import cast

from concur_proxy.upstream.origin import Origin
from concur_proxy.upstream.reading import AnswerReader
from concur_proxy.upstream.sockets import detect_dead_peer_of, unacknowledged

PIECE_BYTES = 256 * 1024
"""A large request is written in pieces of this size, as fast as the engine takes them: the transport may copy what it
cannot send at once.
"""

Body = bytes | tuple[bytes | memoryview, ...]
"""A request's body, also in several pieces that follow one another."""


class Connection(AnswerReader):
    """One connection. It has one request and its answer at a time."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin.url)
        self.origin = origin
        self.is_full = False
        """Whether the transport has so much to send that nothing more is to be written."""
        self.is_writing = False
        """Whether a part of the request has not been written yet."""

    async def exchange(self, head: bytes, body: Body, size: int, *, is_head: bool, timeout_s: float = 0.0) -> None:
        """Send the request, whose body has `size` bytes. Returns when status and headers of its answer have come.
        Raises EngineTimedOut if that takes longer than `timeout_s`; 0 for no limit.
        """
        self.expect_answer(is_head=is_head)
        timer = (
            self.loop.call_later(timeout_s, self.time_out, f"no answer within {timeout_s:g} s") if timeout_s else None
        )
        try:
            if size <= PIECE_BYTES:
                self._put(head + body if isinstance(body, bytes) else b"".join((head, *body)))
                self.closed_before = self.transport.is_closing()
            else:
                self._put(head)
                await self._write(body)
            while not self.answered:
                await self.arrival()
        except BaseException:
            self.transport.abort()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _write(self, body: Body) -> None:
        """Write a large body as fast as the engine takes it. When the answer begins early, the rest is written at once,
        because the engine may read it or not.
        """
        self.is_writing = True
        for piece in _pieces(body):
            while self.is_full and not self.answered:
                await self.arrival()
            if self.transport.is_closing():
                return  # the rest remains unsent
            self._put(piece)
            if not self.answered:
                await asyncio.sleep(0)
        self.is_writing = False

    def _put(self, data: bytes | memoryview) -> None:
        """Write, unless the connection is lost already: uvloop notices that in a write, and refuses the next one."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def release(self) -> None:
        """Stop reading. Keep the connection if the answer is complete, else abort it."""
        # An answer can come before the engine has read the whole request. The rest would precede the next request.
        is_sent = not self.is_writing and not self.transport.get_write_buffer_size()
        is_clean = self.complete and self.keep_alive and is_sent
        if is_clean and not self.transport.is_closing():
            self.origin.keep_idle(self)
        else:
            self.transport.abort()

    def abandon(self) -> None:
        """Close a connection that may be established or not, and that nobody uses."""
        if self in self.origin.connections:
            self.origin.connections.discard(self)
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.origin.connections.add(self)
        detect_dead_peer_of(transport)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self.has_come.fire()

    def eof_received(self) -> None:
        self.closed_before = not self.answered and (self.is_writing or unacknowledged(self.transport) > 0)
        # RFC 9112 section 6.3: without these headers, the body ends with the connection.
        framing = {b"content-length", b"transfer-encoding"}
        self.complete = self.complete or (self.answered and framing.isdisjoint(n.lower() for n, _ in self.headers))

    def connection_lost(self, exc: Exception | None) -> None:
        self.origin.connections.discard(self)
        self.origin.idle.pop(self, None)
        self.closed_before = self.closed_before or (self.is_writing and not self.answered)
        self.parser = None  # it refers to this connection, and what is in a cycle would stay in memory for long
        self.fail(f"connection lost: {exc or 'closed by the engine'}")
        self.has_come.fire()


def _pieces(body: Body) -> Iterable[memoryview]:
    for part in (body,) if isinstance(body, bytes) else body:
        view = memoryview(part)
        yield from (view[at : at + PIECE_BYTES] for at in range(0, len(view), PIECE_BYTES))
