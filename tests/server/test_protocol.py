import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, answer_at_once, scripted_engine

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
GET = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def connection(gateway: RunningGateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"1\r\na\r\n0\r\nX-Sum: 1\r\nx-odd: caf\xe9\r\n\r\n", b"1\r\na\r\n0\r\nx-sum: 1\r\nx-odd: caf\xe9\r\n\r\n"),
        (b"0\r\nx-sum: 0\r\n\r\n", b"0\r\nx-sum: 0\r\n\r\n"),
        (b"1\r\na\r\n0\r\nx-sum: 1\r\nkeep-alive: timeout=5\r\n\r\n",
         b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"),
        (b"1\r\na\r\n0\r\n\r\n", b"1\r\na\r\n0\r\n\r\n"),
    ],
    ids=["two", "no body", "not those of the connection", "none"],
)  # fmt: skip
async def test_an_engine_s_trailers_reach_the_client(sent: bytes, seen: bytes) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(CHUNKED + sent)

    async with (
        scripted_engine(script=script) as engine,
        running_gateway(engine.url) as gateway,
        connection(gateway) as (reader, writer),
    ):
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(seen)) == seen
        # The next bytes are the next answer, so the end was written once.
        engine.script = answer_at_once
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_trailers_of_a_counted_stream_pass_too() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.send(b"0\r\nx-took: 3\r\n\r\n")

    body = b'{"stream":true}'
    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
            writer.write(head + body)
            assert (await reader.readuntil(b"x-took: 3\r\n\r\n")).endswith(b"[DONE]\n\n\r\n0\r\nx-took: 3\r\n\r\n")
        await gateway.settled()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(GET + GET.replace(b"models", b"models/m"))
            for _ in range(2):
                await reader.readuntil(b'"object": "chat.completion"')
        assert [request.target for request in engine.received] == ["/v1/models", "/v1/models/m"]


async def test_many_pipelined_requests_that_offer_an_upgrade_are_answered() -> None:
    offer = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(offer * 2000)
            for _ in range(2000):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
                await reader.readexactly(len(b'{"status":"ok"}'))
        assert (await gateway.chat("a")).status_code == 200
