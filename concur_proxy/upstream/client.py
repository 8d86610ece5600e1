"""Requests to engines over HTTP/1.1, byte for byte, on asyncio and llhttp (httptools) alone.

CPU time of a minimal relay per whole JSON answer, 64 connections (`python -m tests.benchmarks.relay --clients`): this
client 55 us, aiohttp 142, httpx over aiohttp 377, httpx 2265. No other client does all of this: headers as received
(case, order, duplicates, non-ASCII), trailers, and an abort as soon as the caller is cancelled.
"""

import asyncio
from collections.abc import AsyncIterator

from concur_proxy.upstream.connection import Body, Connection
from concur_proxy.upstream.exhaustion import is_own_exhaustion
from concur_proxy.upstream.failures import EngineBroke, EngineTimedOut, EngineUnreachable, GatewayExhausted
from concur_proxy.upstream.origin import Origin
from concur_proxy.upstream.reading import PassChunk
from concur_proxy.upstream.tls import Trust
from concur_proxy.wire.headers import Headers

CONNECT_TIMEOUT_S = 5.0
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods of which a second request does no more than the first (RFC 9110, 9.2.2)."""


class Upstream:
    """The client for all engines. Each request in flight has a connection; an idle one is kept for `KEEP_IDLE_S`."""

    def __init__(
        self,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        first_byte_timeout_s: float = 0.0,
        idle_timeout_s: float = 0.0,
        trust: Trust | None = None,
    ) -> None:
        """`first_byte_timeout_s` is for sending a request until status and headers of its answer have come, and
        `idle_timeout_s` for each pause in the answer; 0 for no limit. `trust` is for `https` engines. By default the
        system's certificates are trusted.
        """
        self._connect_timeout_s = connect_timeout_s
        self._first_byte_timeout_s = first_byte_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._trust = Trust() if trust is None else trust
        self._origins: dict[str, Origin] = {}

    async def send(
        self, engine_url: str, method: str, target: bytes, headers: Headers, body: Body | None = None
    ) -> "UpstreamResponse":
        """Send a request and return its answer when status and headers have come.

        `engine_url` is `http[s]://host[:port][/prefix]`. `target` (path and query as received) follows the prefix.
        Headers are sent as given, except for `Host`, which is the engine's, and the framing, which follows `body` (None
        for no body). If a kept connection ends before any byte of the answer, the request is sent again on a new one,
        unless that could make the engine do its work twice: a POST is sent again only if the engine had closed the
        connection before it had the whole request. Cancelling aborts the connection.

        Raises EngineUnreachable (GatewayExhausted if that is not the engine's fault), EngineBroke with `answered`
        false (EngineTimedOut if the engine was silent for too long), or ValueError for an invalid URL, target or
        header.
        """
        origin = self._origins.get(engine_url)
        if origin is None:
            origin = self._origins[engine_url] = Origin(engine_url)
        size = None if body is None else sum(map(len, body)) if isinstance(body, tuple) else len(body)
        head = origin.head(method, target, headers, size)
        is_head, limit_s, sent = method == "HEAD", self._first_byte_timeout_s, size or 0
        kept = origin.take_idle()
        if kept is not None:
            try:
                await kept.exchange(head, body or b"", sent, is_head=is_head, timeout_s=limit_s)
            except EngineTimedOut:
                raise
            except EngineBroke:
                if kept.began or not (kept.closed_before or method in IDEMPOTENT):
                    raise
            else:
                return UpstreamResponse(kept, self._idle_timeout_s)
        fresh = await self._connect(origin)
        await fresh.exchange(head, body or b"", sent, is_head=is_head, timeout_s=limit_s)
        return UpstreamResponse(fresh, self._idle_timeout_s)

    async def close(self) -> None:
        """Abort every connection, also those with answers in flight."""
        for origin in self._origins.values():
            for connection in list(origin.connections):
                connection.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets in the next turn of the loop

    async def _connect(self, origin: Origin) -> Connection:
        made: list[Connection] = []
        # a task of its own, because `Run` has none, and a time-out needs one
        try:
            return await asyncio.ensure_future(self._open(origin, made))
        except asyncio.CancelledError:  # the connection may be there already, and nobody else knows it
            for connection in made:
                connection.abandon()
            raise
        except TimeoutError as error:
            raise EngineUnreachable(f"{origin.url}: no connection within {self._connect_timeout_s} s") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: IDNA refuses the host name
            kind = GatewayExhausted if is_own_exhaustion(error) else EngineUnreachable
            raise kind(f"{origin.url}: {error}") from error

    async def _open(self, origin: Origin, made: list[Connection]) -> Connection:
        """Open a connection. It is added to `made` when it begins."""

        def begin() -> Connection:
            made.append(Connection(origin))
            return made[-1]

        tls = self._trust.context if origin.is_https else None
        make = asyncio.get_running_loop().create_connection
        async with asyncio.timeout(self._connect_timeout_s):
            return (await make(begin, origin.host, origin.port, ssl=tls))[1]


class UpstreamResponse:
    """An engine's answer whose headers have come. The caller of `Upstream.send` must call `close`."""

    __slots__ = ("_connection", "_idle_timeout_s", "headers", "status", "trailers")

    def __init__(self, connection: Connection, idle_timeout_s: float = 0.0) -> None:
        self._idle_timeout_s = idle_timeout_s
        self.status = connection.status
        self.headers = connection.headers
        """All headers that the engine sent, with hop-by-hop fields."""
        self.trailers = connection.trailers
        """Fields after a chunked body. They are complete when `chunks` has ended."""
        self._connection: Connection | None = connection

    @property
    def is_complete(self) -> bool:
        """Whether the whole body has come. A part of it may not have been taken."""
        return self._connection is None or self._connection.complete

    def take(self) -> bytes:
        """Return what has come of the body since the last call, without decompression; empty if nothing has come."""
        return b"" if self._connection is None else self._connection.take()

    async def next_part(self, pass_chunk: PassChunk | None = None) -> None:
        """Wait until something can be taken, or until the body is complete. Until then, `pass_chunk` gets each HTTP
        chunk that comes alone; it is not to be taken if `pass_chunk` returns true.

        Raises EngineBroke with `answered` true if the connection ends before the body, EngineTimedOut if nothing came
        for too long.
        """
        if self._connection is not None:
            await self._connection.next_part(timeout_s=self._idle_timeout_s, pass_chunk=pass_chunk)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises as `next_part` does. At the end the answer is closed."""
        while True:
            data = self.take()
            if data:
                yield data
            elif self.is_complete:
                self.close()
                return
            else:
                await self.next_part()

    def close(self) -> None:
        """Keep the connection if the answer is complete, else abort it. A second call does nothing."""
        if self._connection is not None:
            self._connection.release()
            self._connection = None
