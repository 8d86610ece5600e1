"""Connections to one engine over HTTP/1.1."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

from concur_proxy.eager import Signal
from concur_proxy.engines.address import is_server_url
from concur_proxy.upstream.chunk import is_one_chunk
from concur_proxy.upstream.sockets import detect_dead_peer_of, unacknowledged
from concur_proxy.wire.headers import Headers

KEEP_IDLE_S = 4.0
"""Less than the 5 s after which uvicorn, and so vLLM and SGLang, closes an idle connection."""
MAX_STATUS = 599
"""The highest valid status (RFC 9110, 15); a server cannot send a higher one to the client."""
MAX_BUFFERED_BYTES = 256 * 1024
"""Reading from the engine pauses while more of an answer than this has not been taken."""

MAX_HEAD_BYTES = 256 * 1024
"""An answer with a longer head, with all interim answers (1xx) before it, is no answer."""
MAX_TRAILER_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
"""A large request is written in pieces of this size, as fast as the engine takes them: the transport may copy what it
cannot send at once.
"""

PassChunk = Callable[[bytes], bool]
"""Sends an HTTP chunk, with its framing, to the client. Returns whether it did: if not, the chunk is to be parsed."""

Body = bytes | tuple[bytes | memoryview, ...]
"""A request's body, also in several pieces that follow one another."""

_NO_CONTENT = 204
"""An answer with this status has no body. If an engine announces one, it may follow, and nothing after it can be read.
"""

_FRAMING = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding", b"expect"})
"""Request headers about the client's own connection. The client here writes those that the engine needs."""


class EngineUnreachable(Exception):  # noqa: N818 - named like an outcome
    """No connection to the engine: refused, timed out, unknown host, TLS handshake failed."""


class GatewayExhausted(EngineUnreachable):
    """No connection could be made because this process, or its machine, has no files, ports or memory left."""


class EngineBroke(Exception):  # noqa: N818 - as above
    """The connection ended before the answer was complete, or the answer was not HTTP/1.1."""

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered
        """Whether status and headers had been received. The client has them then, and its answer can only be cut off.
        """


class EngineTimedOut(EngineBroke):
    """The engine was silent for longer than it may be."""


class Origin:
    """An engine's address and the connections to it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not is_server_url(url) or not parts.hostname:
            raise ValueError(f"engine URL {url!r} is not of the form http[s]://host[:port][/prefix]")
        self.url = url
        self.is_https = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_https else 80)
        self.prefix = parts.path.rstrip("/").encode("ascii")
        self.host_line = b"host: " + parts.netloc.encode("ascii")
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, float] = {}
        """Idle connections, and since when each is idle by the loop's clock. The latest is the last."""

    def head(self, method: str, target: bytes, headers: Headers, body_bytes: int | None) -> bytes:
        """Return the head of a request to this engine. `body_bytes` is the size of its body, None if it has none.
        Raises `ValueError` if target or headers are invalid.
        """
        lines = [b"%b %b%b HTTP/1.1" % (method.encode("ascii"), self.prefix, target), self.host_line]
        lines += [b"%b: %b" % header for header in headers if header[0].lower() not in _FRAMING]
        if body_bytes is not None:
            lines.append(b"content-length: %d" % body_bytes)
        head = b"\r\n".join(lines)
        if head.count(b"\r") != len(lines) - 1 or head.count(b"\n") != len(lines) - 1 or b" " in target:
            raise ValueError("a space in the request target, or a line break in it or in a header")
        return b"%b\r\n\r\n" % head

    def take_idle(self) -> "Connection | None":
        """Take the connection that was used last, if it may be used again."""
        while self.idle:
            connection, since = self.idle.popitem()
            if connection.loop.time() - since < KEEP_IDLE_S and not connection.transport.is_closing():
                return connection
            connection.transport.close()
        return None

    def keep_idle(self, connection: "Connection") -> None:
        """Keep the connection for the next request."""
        now = self.idle[connection] = connection.loop.time()
        oldest, since = next(iter(self.idle.items()))
        if now - since >= KEEP_IDLE_S:  # close one for each that is added, so that few remain after a pause in traffic
            del self.idle[oldest]
            oldest.transport.close()


class Connection(asyncio.Protocol):
    """One connection. It has one request and its answer at a time."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.loop = asyncio.get_running_loop()
        self.parser: Any = httptools.HttpResponseParser(self)
        self.broke: EngineBroke | None = None
        self.has_come = Signal()
        """Fired when something has come, when the engine takes more, and when nothing can come any longer."""
        self.paused = False
        self.is_full = False
        """Whether the transport has so much to send that nothing more is to be written."""
        self.is_writing = False
        """Whether a part of the request has not been written yet."""
        self.pass_chunk: PassChunk | None = None
        """Gets each chunk that comes alone, while the answer's next part is waited for and a chunk can begin."""
        self.idle_timer: asyncio.TimerHandle | None = None
        """Ends the wait for a part of the body."""
        self.heard_at = 0.0
        """When the wait for a part of the body began, or when the last chunk came that was passed on, if there is a
        limit for that wait.
        """
        self.expect_answer(is_head=False)

    closed_before: bool
    """Whether the engine had closed the connection before it had the whole request, so that it cannot have begun to
    work on it.
    """

    def expect_answer(self, *, is_head: bool) -> None:
        """Prepare for the next answer. The answer to a HEAD request has no body."""
        self.is_head = is_head
        self.status = 0
        self.headers: Headers = []
        self.trailers: Headers = []
        self.parts: list[bytes] = []
        self.untaken = self.head_bytes = self.trailer_bytes = 0
        self.began = self.answered = self.complete = self.keep_alive = self.closed_before = False
        self.is_between = False
        """Whether the next byte of the answer begins a chunk."""

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

    def take(self) -> bytes:
        """Return what has come of the body since the last call; empty if nothing has come, see `complete`."""
        parts = self.parts
        if not parts:
            return b""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.parts = []
        self.untaken = 0
        if self.paused:
            self._read_on()
        return data

    async def next_part(self, *, timeout_s: float = 0.0, pass_chunk: PassChunk | None = None) -> None:
        """Wait for a part of the body, or for its end. Chunks for which `pass_chunk` returns true have been dealt with,
        and are not waited for. Raises EngineTimedOut if nothing comes for `timeout_s`; 0 for no limit.
        """
        if timeout_s:
            self.heard_at = self.loop.time()
            self.idle_timer = self.loop.call_later(timeout_s, self._end_silence, timeout_s)
        try:
            while not self.parts and not self.complete:
                if self.paused:  # by bytes that are no part of the body, such as a chunk's extension
                    self._read_on()
                self.pass_chunk = pass_chunk if self.is_between else None
                await self.arrival()
        finally:
            self.pass_chunk = None
            if self.idle_timer is not None:
                self.idle_timer.cancel()
                self.idle_timer = None

    def _end_silence(self, timeout_s: float) -> None:
        left_s = self.heard_at + timeout_s - self.loop.time()
        if left_s > 0:  # chunks have been passed on since the wait began
            self.idle_timer = self.loop.call_later(left_s, self._end_silence, timeout_s)
        else:
            self.time_out(f"silent for {timeout_s:g} s")

    def _read_on(self) -> None:
        self.untaken = 0
        self.paused = False
        self.transport.resume_reading()

    async def arrival(self) -> None:
        """Wait until something comes. Raises EngineBroke if nothing can come any longer."""
        if self.broke is not None:
            raise self.broke
        await self.has_come

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

    def fail(self, reason: str) -> None:
        """Note why nothing more can come."""
        if self.broke is None:
            self.broke = EngineBroke(f"{self.origin.url}: {reason}", answered=self.answered)

    def time_out(self, reason: str) -> None:
        """Give up an engine that was silent for too long."""
        if self.broke is None:
            self.broke = EngineTimedOut(f"{self.origin.url}: {reason}", answered=self.answered)
        self.transport.abort()
        self.has_come.fire()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.origin.connections.add(self)
        detect_dead_peer_of(transport)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self.has_come.fire()

    def data_received(self, data: bytes) -> None:
        pass_chunk = self.pass_chunk
        if pass_chunk is None or not is_one_chunk(data) or not pass_chunk(data):
            self._parse(data)
        elif self.idle_timer is not None:
            self.heard_at = self.loop.time()

    def _parse(self, data: bytes) -> None:
        if self.complete:
            self.transport.abort()
            return
        self.began = True
        self.untaken += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(f"the answer is not HTTP/1.1: {error}")
            self.transport.abort()
        if self.is_between and not data.endswith(b"\r\n"):  # a chunk's size has begun
            self.is_between = False
        if not self.answered:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                self.fail(f"the answer is not HTTP/1.1: its head exceeds {MAX_HEAD_BYTES} bytes")
                self.transport.abort()
        if self.untaken > MAX_BUFFERED_BYTES and not self.paused and not self.complete:
            self.paused = True
            self.transport.pause_reading()
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

    def on_message_begin(self) -> None:
        if self.complete:
            raise EngineBroke("an answer without a request", answered=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.answered:
            self.headers.append((name, value))
            return
        self.trailer_bytes += len(name) + len(value)
        if self.trailer_bytes > MAX_TRAILER_BYTES:
            raise EngineBroke(f"its trailers exceed {MAX_TRAILER_BYTES} bytes", answered=True)
        self.trailers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status > MAX_STATUS:
            self.fail(f"the answer is not HTTP/1.1: status {status}")
            self.transport.abort()
        elif status >= 200:
            self.status = status
            self.answered = True
            is_whole = not self.is_head and not (status == _NO_CONTENT and self._announces_body())
            self.keep_alive = self.parser.should_keep_alive() and is_whole
            self.complete = self.is_head

    def _announces_body(self) -> bool:
        """Whether the headers announce a body."""
        return any(
            name.lower() == b"transfer-encoding" or (name.lower() == b"content-length" and value.strip(b" 0"))
            for name, value in self.headers
        )

    def on_chunk_header(self) -> None:
        self.is_between = False

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_chunk_complete(self) -> None:
        self.is_between = True

    def on_message_complete(self) -> None:
        self.complete = self.answered
        if not self.answered:
            self.headers.clear()  # these headers belong to a 1xx answer; the final answer follows


def _pieces(body: Body) -> Iterable[memoryview]:
    for part in (body,) if isinstance(body, bytes) else body:
        view = memoryview(part)
        yield from (view[at : at + PIECE_BYTES] for at in range(0, len(view), PIECE_BYTES))
