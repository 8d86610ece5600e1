"""Requests to engines over HTTP/1.1, byte for byte, on asyncio and llhttp (httptools) alone.

CPU time of a minimal relay per whole JSON answer, 64 connections (`python -m tests.benchmarks.relay --clients`): this
client 55 us, aiohttp 142, httpx over aiohttp 377, httpx 2265. And no other does all of this: headers as they came
(case, order, duplicates, non-ASCII), trailers, and an abort at once when the client leaves.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator

from concur_proxy.upstream.connection import Connection, EngineBroke, EngineUnreachable, Origin
from concur_proxy.wire.headers import Headers

CONNECT_TIMEOUT_S = 5.0


class Upstream:
    """Client of all engines: a connection for each request in flight, kept for `KEEP_IDLE_S` when idle."""

    def __init__(self, *, connect_timeout_s: float = CONNECT_TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for `https` engines; by default the system's certificates (and `SSL_CERT_FILE`) are trusted."""
        self._connect_timeout_s = connect_timeout_s
        self._tls = tls
        self._origins: dict[str, Origin] = {}

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
            origin = self._origins[engine_url] = Origin(engine_url)
        request = origin.request(method, target, headers, body)
        kept = origin.take_idle()
        if kept is not None:
            try:
                await kept.exchange(request, is_head=method == "HEAD")
            except EngineBroke:
                if kept.began:
                    raise
            else:
                return UpstreamResponse(kept)
        fresh = await self._connect(origin)
        await fresh.exchange(request, is_head=method == "HEAD")
        return UpstreamResponse(fresh)

    async def close(self) -> None:
        """Abort every connection, answers in flight included."""
        for origin in self._origins.values():
            for connection in list(origin.connections):
                connection.transport.abort()
        await asyncio.sleep(0)  # the turn of the loop in which the transports close their sockets

    async def _connect(self, origin: Origin) -> Connection:
        if origin.is_https and self._tls is None:
            self._tls = ssl.create_default_context()
        tls = self._tls if origin.is_https else None
        make = asyncio.get_running_loop().create_connection
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return (await make(lambda: Connection(origin), origin.host, origin.port, ssl=tls))[1]
        except TimeoutError as error:
            raise EngineUnreachable(f"{origin.url}: no connection within {self._connect_timeout_s} s") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA refuses
            raise EngineUnreachable(f"{origin.url}: {error}") from error


class UpstreamResponse:
    """An engine's answer from its headers on. Whoever gets one calls `close` in a `finally`."""

    __slots__ = ("_connection", "headers", "status", "trailers")

    def __init__(self, connection: Connection) -> None:
        self.status = connection.status
        self.headers = connection.headers
        """As sent, hop-by-hop ones included."""
        self.trailers = connection.trailers
        """Fields sent after a chunked body; complete once `chunks` has ended."""
        self._connection: Connection | None = connection

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
