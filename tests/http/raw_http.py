"""HTTP/1.1 over plain sockets on both sides of the gateway, to see the exact bytes that were sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from concur_proxy.monitoring.own_clients import USER_AGENT

Fields = list[tuple[bytes, bytes]]

LIMIT = 64 * 1024**2
"""The longest line or head that is read."""


@dataclass(slots=True, kw_only=True)
class Message:
    """A request or an answer as it arrived."""

    start: bytes
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    """The HTTP chunks of a chunked body."""

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.start.split(b" ")[1])

    @property
    def target(self) -> bytes:
        """The target of a request."""
        return self.start.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields with this lower-case name, in order."""
        return [value for key, value in self.fields if key.lower() == name]


class Connection:
    """One side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def head(self) -> Message:
        """Read the next message without its body."""
        data = await self._reader.readuntil(b"\r\n\r\n")
        start, *lines = data[:-4].split(b"\r\n")
        return Message(start=start, fields=_fields(lines))

    async def request(self) -> Message:
        """Read the next request with its body. Sends `100 Continue` if the client expects it."""
        message = await self.head()
        if message.values(b"expect"):
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if message.values(b"transfer-encoding"):
            await self._chunked(message)
        else:
            message.body = await self._reader.readexactly(int((message.values(b"content-length") or [b"0"])[0]))
        return message

    async def answer(self, *, to: bytes = b"POST") -> Message:
        """Read the next final answer with its body; `method` is that of its request."""
        message = await self.head()
        while message.status < 200:
            message = await self.head()
        if to == b"HEAD" or message.status in {204, 304}:
            return message
        if message.values(b"transfer-encoding"):
            await self._chunked(message)
        elif lengths := message.values(b"content-length"):
            message.body = await self._reader.readexactly(int(lengths[0]))
        else:
            message.body = await self._reader.read()
        return message

    async def chunk(self) -> bytes:
        """Read the next HTTP chunk."""
        size = int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if size == 0:
            return b""
        data = await self._reader.readexactly(size + 2)
        return data[:-2]

    async def rest(self) -> bytes:
        """Read until the other side closes."""
        return await self._reader.read()

    def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()

    async def _chunked(self, message: Message) -> None:
        while data := await self.chunk():
            message.chunks.append(data)
        lines = []
        while line := (await self._reader.readuntil(b"\r\n"))[:-2]:
            lines.append(line)
        message.body = b"".join(message.chunks)
        message.trailers = _fields(lines)


def _fields(lines: list[bytes]) -> Fields:
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Open a connection to a server."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=LIMIT)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        connection.close()


async def call(url: str, request: bytes) -> Message:
    """Send a request in one write, and read its answer."""
    async with asyncio.timeout(20), connected(url) as connection:
        await connection.send(request)
        return await connection.answer(to=request.partition(b" ")[0])


Script = Callable[[Connection, Message], Awaitable[None]]

NOTHING_HERE = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class RawEngine:
    """An engine that answers with the bytes that a test has written, and records its requests."""

    script: Script
    seen: list[Message] = field(default_factory=list)
    """Requests, except those that the gateway itself makes."""
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection. Close it after an answer with `connection: close`."""
        connection = Connection(reader, writer)
        try:
            while True:
                request = await connection.request()
                if request.values(b"user-agent") == [USER_AGENT.encode()]:
                    await connection.send(NOTHING_HERE)
                    continue
                self.seen.append(request)
                await self.script(connection, request)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def sends(answer: bytes, *, closes: bool = False) -> Script:
    """A script that sends these bytes and then closes the connection."""

    async def script(connection: Connection, request: Message) -> None:
        await connection.send(answer)
        if closes:
            raise ConnectionResetError

    return script


@asynccontextmanager
async def raw_engine(script: Script) -> AsyncIterator[RawEngine]:
    engine = RawEngine(script=script)
    server = await asyncio.start_server(engine.serve, "127.0.0.1", limit=LIMIT)
    engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield engine
    finally:
        server.close()
