"""A real HTTP server on loopback that answers with the bytes that a test chooses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(text: str | bytes, *, status: str = "200 OK", headers: str = "") -> Respond:
    """A complete answer."""
    body = text.encode() if isinstance(text, str) else text
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n{headers}\r\n"

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + body)

    return respond


def cut_short(text: str) -> Respond:
    """An answer that breaks off in the middle of its body."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + text.encode())
        await writer.drain()
        writer.close()

    return respond


async def silence(writer: asyncio.StreamWriter) -> None:
    """Never answers."""


class MetricsEndpoint:
    """A server. `respond` may be changed while it runs."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.url = ""
        self.scrapes = 0
        self.targets: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.scrapes += 1
                self.targets.append(head.split(b" ", 2)[1].decode())
                await self.respond(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def metrics_endpoint(respond: Respond, *, port: int = 0) -> AsyncIterator[MetricsEndpoint]:
    """A running endpoint."""
    endpoint = MetricsEndpoint(respond)
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        await endpoint.serve(reader, writer)
        writers.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield endpoint
    finally:
        server.close()
        for writer in list(writers):
            writer.transport.abort()
        await server.wait_closed()
