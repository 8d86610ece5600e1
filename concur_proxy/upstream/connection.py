"""Connections to one engine over HTTP/1.1."""

import asyncio
import fcntl
import struct
import termios
from typing import cast
from urllib.parse import urlsplit

import httptools

from concur_proxy.engines.address import is_server_url
from concur_proxy.upstream.sockets import detect_dead_peer
from concur_proxy.wire.headers import Headers

KEEP_IDLE_S = 4.0
"""Less than the 5 s after which uvicorn, and so vLLM and SGLang, closes an idle connection."""
MAX_STATUS = 599
"""The highest valid status (RFC 9110, 15); a server cannot send a higher one to the client."""
MAX_BUFFERED_BYTES = 256 * 1024
"""Reading from the engine pauses while more of an answer than this has not been taken."""

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

    def request(self, method: str, target: bytes, headers: Headers, body: bytes | None) -> bytes:
        """Return a request to this engine as bytes. Raises `ValueError` if target or headers are invalid."""
        lines = [b"%b %b%b HTTP/1.1" % (method.encode("ascii"), self.prefix, target), self.host_line]
        lines += [b"%b: %b" % header for header in headers if header[0].lower() not in _FRAMING]
        if body is not None:
            lines.append(b"content-length: %d" % len(body))
        head = b"\r\n".join(lines)
        if head.count(b"\r") != len(lines) - 1 or head.count(b"\n") != len(lines) - 1 or b" " in target:
            raise ValueError("a space in the request target, or a line break in it or in a header")
        return b"%b\r\n\r\n%b" % (head, body or b"")

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
        self.parser = httptools.HttpResponseParser(self)
        self.broke: EngineBroke | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.paused = False
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
        self.untaken = 0
        self.began = self.answered = self.complete = self.keep_alive = self.closed_before = False

    async def exchange(self, request: bytes, *, is_head: bool) -> None:
        """Send the request. Returns when status and headers of its answer have come."""
        self.expect_answer(is_head=is_head)
        self.transport.write(request)
        try:
            while not self.answered:
                await self.arrival()
        except BaseException:
            self.transport.abort()
            raise

    async def receive(self) -> bytes:
        """Wait for a part of the body and return what has come since the last call; empty at the end."""
        while not self.parts:
            if self.complete:
                return b""
            await self.arrival()
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts.clear()
        self.untaken = 0
        if self.paused:
            self.paused = False
            self.transport.resume_reading()
        return data

    async def arrival(self) -> None:
        """Wait until something comes. Raises EngineBroke if nothing can come any longer."""
        if self.broke is not None:
            raise self.broke
        self.waiter = self.loop.create_future()
        await self.waiter

    def release(self) -> None:
        """Stop reading. Keep the connection if the answer is complete, else abort it."""
        # An answer can come before the engine has read the whole request. The rest would precede the next request.
        is_clean = self.complete and self.keep_alive and not self.transport.get_write_buffer_size()
        if is_clean and not self.transport.is_closing():
            self.origin.keep_idle(self)
        else:
            self.transport.abort()

    def fail(self, reason: str) -> None:
        """Note why nothing more can come."""
        if self.broke is None:
            self.broke = EngineBroke(f"{self.origin.url}: {reason}", answered=self.answered)
        self.wake()

    def wake(self) -> None:
        """Wake the task that waits for the answer, so that it checks again what has arrived."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.origin.connections.add(self)
        detect_dead_peer(transport)

    def data_received(self, data: bytes) -> None:
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
        if self.untaken > MAX_BUFFERED_BYTES and not self.paused and not self.complete:
            self.paused = True
            self.transport.pause_reading()
        self.wake()

    def eof_received(self) -> None:
        self.closed_before = not self.answered and _unacknowledged(self.transport) > 0
        # RFC 9112 section 6.3: without these headers, the body ends with the connection.
        framing = {b"content-length", b"transfer-encoding"}
        self.complete = self.complete or (self.answered and framing.isdisjoint(n.lower() for n, _ in self.headers))

    def connection_lost(self, exc: Exception | None) -> None:
        self.origin.connections.discard(self)
        self.origin.idle.pop(self, None)
        self.fail(f"connection lost: {exc or 'closed by the engine'}")

    def on_message_begin(self) -> None:
        if self.complete:
            raise EngineBroke("an answer without a request", answered=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.trailers if self.answered else self.headers).append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status > MAX_STATUS:
            self.fail(f"the answer is not HTTP/1.1: status {status}")
            self.transport.abort()
        elif status >= 200:
            self.status = status
            self.answered = True
            self.keep_alive = self.parser.should_keep_alive() and not self.is_head
            self.complete = self.is_head

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        self.complete = self.answered
        if not self.answered:
            self.headers.clear()  # these headers belong to a 1xx answer; the final answer follows


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Return how many bytes that were sent the other side's kernel has not acknowledged (tcp(7): SIOCOUTQ)."""
    unsent = transport.get_write_buffer_size()
    answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return unsent + int(struct.unpack("i", answer)[0])
