"""What clients send ahead has a limit, and takes only the memory that counts."""

import asyncio
import contextlib
import tracemalloc

import pytest

from concur_proxy.server import ahead
from concur_proxy.wire.answer.fault import GatewayFault
from tests.fuzz.budget import steps
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine
from tests.server.test_at_once import Ends, request
from tests.server.test_protocol import GET, connection

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
POST = HEAD + b"content-length: 50000\r\n\r\n" + b"x" * 50_000
LIMIT = 200_000


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(ahead, "MOST_BYTES", LIMIT)
    return LIMIT


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"a:\r\n" * 250],
        [HEAD, *[b"x: " + b"v" * 4_000 + b"\r\n"] * 15],
        [request(), POST * 5, POST * 5],
        [request(), GET * 10_000],
        [request() + (HEAD + b"a:\r\n" * 250 + b"\r\n") * 200],
        [request(), HEAD + b"a: b\r\n" * 250],
    ],
    ids=["some fields", "long fields", "bodies ahead", "requests ahead", "fields ahead", "a head ahead"],
)
async def test_what_is_sent_ahead_counts_with_all_that_it_takes(pieces: list[bytes]) -> None:
    ends = Ends()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for piece in pieces:
            if not ends.client.is_paused:
                ends.from_client.data_received(piece)
        took = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert took < 2 * ends.serving.connections.ahead_bytes + 60_000
    ends.from_client.connection_lost(None)
    assert ends.serving.connections.ahead_bytes == 0


@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"1;x\r\na\r\n", b"2\r\nab\r\n"])
async def test_a_tiny_chunk_costs_no_line_of_python(chunk: bytes) -> None:
    ends = Ends()
    ends.from_client.data_received(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    assert steps(ends.from_client.data_received, chunk * 1000) < 200
    ends.from_client.connection_lost(None)


async def test_what_is_served_is_not_ahead() -> None:
    ends = Ends()
    ends.from_client.data_received(request() * 2)
    assert ends.serving.connections.ahead_bytes > 0
    ends.from_client._begin_waiting()
    ends.from_client.connection_lost(None)
    assert ends.serving.connections.ahead_bytes == 0
    once = Ends()
    for piece in (HEAD, b"content-length: 400000\r\n\r\n", b"x" * 60_000):
        once.from_client.data_received(piece)
    assert once.serving.connections.ahead_bytes == 0
    once.from_client.connection_lost(None)


async def test_heads_without_end_are_refused_when_there_are_too_many(limit: int) -> None:
    long = HEAD + b"x: " + b"v" * 40_000
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url) as gateway,
        contextlib.AsyncExitStack() as open_,
    ):
        clients = [await open_.enter_async_context(connection(gateway)) for _ in range(2 * limit // 40_000)]
        for _, writer in clients:
            writer.write(long)
            await writer.drain()
        refused = 0
        async with asyncio.timeout(10):
            while refused < limit // 40_000:
                await asyncio.sleep(0.01)
                refused = sum(bool(reader._buffer) for reader, _ in clients)  # type: ignore[attr-defined]
        assert gateway.app.connections.ahead_bytes <= limit + 50_000
        answers = [await reader.read() for reader, _ in clients if reader._buffer]  # type: ignore[attr-defined]
        assert all(answer.startswith(b"HTTP/1.1 503") for answer in answers)
        assert all(GatewayFault.BODIES_TOO_LARGE.code.encode() in answer for answer in answers)
        async with connection(gateway) as (reader, writer):  # others are served
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert len(engine.received) == 1


async def test_requests_ahead_are_not_served_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_BYTES", 20_000)
    may_answer = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await may_answer.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(GET)
            await gateway.until(lambda: engine.in_flight == 1)
            writer.write(POST * 2)
            await gateway.until(lambda: gateway.app.connections.ahead_bytes == 0)
            may_answer.set()
            answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer
    assert len(engine.received) == 1
