"""An engine on loopback that answers with any bytes, and helpers that run a test under both event loops."""

import asyncio
import functools
import inspect
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from concur_proxy.upstream.client import Upstream, UpstreamResponse
from concur_proxy.wire.headers import Headers

Answer = Callable[["Engine", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def both_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run the test on asyncio's own loop and on uvloop, which the gateway uses, each time with a new Upstream."""

    @functools.wraps(test)
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **given: object) -> None:
        async def with_upstream() -> None:
            upstream, engines = Upstream(), list[Engine]()
            try:
                await test(upstream, functools.partial(serve, engines), **given)
            finally:
                for engine in engines:
                    engine.server.close()
                await upstream.close()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(with_upstream())

    _, _, *given = inspect.signature(test).parameters.values()
    loop_factory = inspect.Parameter("loop_factory", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    vars(run)["__signature__"] = inspect.Signature([loop_factory, *given])
    loops = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
    on_each: Callable[[Callable[..., None]], Callable[..., None]] = pytest.mark.parametrize("loop_factory", loops)
    return on_each(run)


class Engine:
    """A TCP server that keeps the raw bytes of each request. It sends the `answers` in turn, the last one again."""

    server: asyncio.Server

    def __init__(self, answers: list[bytes | Answer]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self.asked = asyncio.Event()
        """Set by each request."""
        self.gone = asyncio.Event()
        """Set once any client has closed its connection."""
        self.go_on = asyncio.Event()
        """For an answer that waits until the test says so."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        self.asked.set()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if callable(answer):
            await answer(self, reader, writer)
        else:
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self.requests[-1] += await reader.readexactly(int(length or 0))
            writer.write(answer)


Serve = Callable[..., Awaitable[tuple[Engine, str]]]


async def serve(
    engines: list[Engine], *answers: bytes | Answer, tls: ssl.SSLContext | None = None
) -> tuple[Engine, str]:
    """Run a new engine. Yields it and its URL."""
    engine = Engine(list(answers))
    engines.append(engine)
    engine.server = await asyncio.start_server(engine, "127.0.0.1", 0, ssl=tls)
    return engine, f"{'https' if tls else 'http'}://127.0.0.1:{engine.server.sockets[0].getsockname()[1]}"


def then_close(sent: bytes) -> Answer:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    return answer


def then_reset(sent: bytes) -> Answer:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await engine.go_on.wait()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


def then_wait(sent: bytes, after: bytes = b"") -> Answer:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        if not after:
            await reader.readexactly(1)
        await engine.go_on.wait()
        writer.write(after)

    return answer


async def body_of(response: UpstreamResponse) -> bytes:
    return b"".join([chunk async for chunk in response.chunks()])


async def get(upstream: Upstream, url: str, method: str = "GET") -> tuple[int, Headers, bytes]:
    response = await upstream.send(url, method, b"/", [])
    return response.status, response.headers, await body_of(response)
