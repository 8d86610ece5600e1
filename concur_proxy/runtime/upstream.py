"""Requests to engines over HTTP/1.1, byte for byte, on asyncio and llhttp (httptools) alone.

CPU time of a minimal relay per whole JSON answer, 64 connections (`python -m tests.benchmarks.relay --clients`): this
client 55 us, aiohttp 142, httpx over aiohttp 377, httpx 2265. And no other does all of this: headers as they came
(case, order, duplicates, non-ASCII), trailers, and an abort at once when the client leaves.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import urlsplit

import httptools

Headers = list[tuple[bytes, bytes]]
"""Names and values as on the wire: order, case, duplicates and non-ASCII bytes kept."""

CONNECT_TIMEOUT_S = 5.0
KEEP_IDLE_S = 4.0
"""Under the 5 s after which uvicorn, hence vLLM and SGLang, closes an idle connection."""
LAST_STATUS = 599
"""A server can pass no other on (RFC 9110, 15)."""
BUFFERED_BYTES = 256 * 1024
"""Reading from the engine pauses while more than this of an answer is untaken."""

_ENGINE_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?", re.ASCII)
_FRAMING = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding", b"expect"})
"""Request headers about the client's own connection; what the engine needs of them is written anew."""
_TCP_OPTIONS = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6), ("TCP_USER_TIMEOUT", 90_000))
"""No time-out ends a long answer: a host that vanished without a FIN is the kernel's to notice, in 90 s (tcp(7))."""


class EngineUnreachable(Exception):  # noqa: N818  # what happened, as an outcome is named
    """No connection to the engine: refused, timed out, unknown host, TLS handshake failed."""


class EngineBroke(Exception):  # noqa: N818
    """The connection ended, or spoke no HTTP/1.1, before the answer was complete."""

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered
        """Whether status and headers had come: a client that has them can only be cut off, else it gets an error."""


class Upstream:
    """Client of all engines: a connection for each request in flight, kept for `KEEP_IDLE_S` when idle."""

    def __init__(self, *, connect_timeout_s: float = CONNECT_TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for `https` engines; by default the system's certificates (and `SSL_CERT_FILE`) are trusted."""
        self._connect_timeout_s = connect_timeout_s
        self._tls = tls
        self._origins: dict[str, _Origin] = {}

    async def send(
        self, engine_url: str, method: str, target: bytes, headers: Headers, body: bytes | None = None
    ) -> "UpstreamResponse":
        """Send a request and return its answer once status and headers are there, however long that takes.

        `engine_url` is `http[s]://host[:port][/prefix]`; `target`, path and query as they came, goes behind the prefix.
        Headers go out as given, but for `Host`, the engine's, and the framing, which follows `body` (None: no body).
        A request that dies on a kept connection before any byte of an answer is sent once more, on a new one: the
        engine had closed it. Cancelling aborts the connection. Raises EngineUnreachable, EngineBroke with `answered`
        false, and ValueError for a URL, target or header that no request can be made of.
        """
        origin = self._origins.get(engine_url)
        if origin is None:
            origin = self._origins[engine_url] = _Origin(engine_url)
        request = origin.request(method, target, headers, body)
        kept = origin.take_idle()
        if kept is not None:
            try:
                return await kept.exchange(request, is_head=method == "HEAD")
            except EngineBroke:
                if kept.began:
                    raise
        fresh = await self._connect(origin)
        return await fresh.exchange(request, is_head=method == "HEAD")

    async def close(self) -> None:
        """Abort every connection, answers in flight included."""
        for origin in self._origins.values():
            for connection in list(origin.connections):
                connection.transport.abort()
        await asyncio.sleep(0)  # the turn of the loop in which the transports close their sockets

    async def _connect(self, origin: "_Origin") -> "_Connection":
        if origin.is_https and self._tls is None:
            self._tls = ssl.create_default_context()
        tls = self._tls if origin.is_https else None
        make = asyncio.get_running_loop().create_connection
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return (await make(lambda: _Connection(origin), origin.host, origin.port, ssl=tls))[1]
        except TimeoutError as error:
            raise EngineUnreachable(f"{origin.url}: no connection within {self._connect_timeout_s} s") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA refuses
            raise EngineUnreachable(f"{origin.url}: {error}") from error


class UpstreamResponse:
    """An engine's answer from its headers on. Whoever gets one calls `close` in a `finally`."""

    __slots__ = ("_connection", "headers", "status", "trailers")

    def __init__(self, connection: "_Connection") -> None:
        self.status = connection.status
        self.headers = connection.headers
        """As sent, hop-by-hop ones included."""
        self.trailers = connection.trailers
        """Fields sent after a chunked body; complete once `chunks` has ended."""
        self._connection: _Connection | None = connection

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, compressed if it was: each item is what had come since the last, never empty.

        Raises EngineBroke with `answered` true if the connection ends before the body does.
        """
        while self._connection is not None:
            data = await self._connection.receive()
            if not data:
                self.close()
                return
            yield data

    def close(self) -> None:
        """Keep the connection if the answer is complete, else abort it at once; a second call does nothing."""
        if self._connection is not None:
            self._connection.release()
            self._connection = None


class _Origin:
    """Where one engine listens, and the connections to it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not _ENGINE_URL.fullmatch(url) or not parts.hostname:
            raise ValueError(f"engine URL {url!r} is not of the form http[s]://host[:port][/prefix]")
        self.url = url
        self.is_https = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_https else 80)
        self.prefix = parts.path.rstrip("/").encode("ascii")
        self.host_line = b"host: " + parts.netloc.encode("ascii")
        self.connections: set[_Connection] = set()
        self.idle: dict[_Connection, float] = {}
        """Since when, by the loop's clock, latest last."""

    def request(self, method: str, target: bytes, headers: Headers, body: bytes | None) -> bytes:
        lines = [b"%b %b%b HTTP/1.1" % (method.encode("ascii"), self.prefix, target), self.host_line]
        lines += [b"%b: %b" % header for header in headers if header[0].lower() not in _FRAMING]
        if body is not None:
            lines.append(b"content-length: %d" % len(body))
        head = b"\r\n".join(lines)
        if head.count(b"\r") != len(lines) - 1 or head.count(b"\n") != len(lines) - 1 or b" " in target:
            raise ValueError("a space in the request target, or a line break in it or in a header")
        return b"%b\r\n\r\n%b" % (head, body or b"")

    def take_idle(self) -> "_Connection | None":
        while self.idle:
            connection, since = self.idle.popitem()
            if connection.loop.time() - since < KEEP_IDLE_S and not connection.transport.is_closing():
                return connection
            connection.transport.close()
        return None

    def keep_idle(self, connection: "_Connection") -> None:
        now = self.idle[connection] = connection.loop.time()
        oldest, since = next(iter(self.idle.items()))
        if now - since >= KEEP_IDLE_S:  # one goes for one that comes: the engine closes what a pause in traffic leaves
            del self.idle[oldest]
            oldest.transport.close()


class _Connection(asyncio.Protocol):
    """One connection: one request and its answer at a time."""

    def __init__(self, origin: _Origin) -> None:
        self.origin = origin
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpResponseParser(self)
        self.broke: EngineBroke | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.paused = False
        self.expect_answer(is_head=False)

    def expect_answer(self, *, is_head: bool) -> None:
        self.is_head = is_head
        self.status = 0
        self.headers: Headers = []
        self.trailers: Headers = []
        self.parts: list[bytes] = []
        self.untaken = 0
        self.began = self.answered = self.complete = self.keep_alive = False

    async def exchange(self, request: bytes, *, is_head: bool) -> UpstreamResponse:
        self.expect_answer(is_head=is_head)
        self.transport.write(request)
        try:
            while not self.answered:
                await self.arrival()
        except BaseException:
            self.transport.abort()
            raise
        return UpstreamResponse(self)

    async def receive(self) -> bytes:
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
        if self.broke is not None:
            raise self.broke
        self.waiter = self.loop.create_future()
        await self.waiter

    def release(self) -> None:
        # An answer can come before the engine took the whole request, whose rest would go before the next request.
        is_clean = self.complete and self.keep_alive and not self.transport.get_write_buffer_size()
        if is_clean and not self.transport.is_closing():
            self.origin.keep_idle(self)
        else:
            self.transport.abort()

    def fail(self, reason: str) -> None:
        if self.broke is None:
            self.broke = EngineBroke(f"{self.origin.url}: {reason}", answered=self.answered)
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.origin.connections.add(self)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

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
        if self.untaken > BUFFERED_BYTES and not self.paused and not self.complete:
            self.paused = True
            self.transport.pause_reading()
        self.wake()

    def eof_received(self) -> None:
        # RFC 9112 section 6.3: a body with neither of these headers ends where the connection does.
        framing = {b"content-length", b"transfer-encoding"}
        self.complete = self.complete or (self.answered and framing.isdisjoint(n.lower() for n, _ in self.headers))

    def connection_lost(self, exc: Exception | None) -> None:
        self.origin.connections.discard(self)
        self.origin.idle.pop(self, None)
        self.fail(f"connection lost: {exc or 'closed by the engine'}")

    def on_message_begin(self) -> None:
        if self.complete:
            raise EngineBroke("an answer that nobody asked for", answered=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.trailers if self.answered else self.headers).append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status > LAST_STATUS:
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
            self.headers.clear()  # a 1xx answer's: the real one is still to come
