import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from concur_proxy.server.http_client import MOST_WAITING
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
            for _ in range(20):
                writer.write(offer * MOST_WAITING)
                for _ in range(MOST_WAITING):
                    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
                    await reader.readexactly(len(b'{"status":"ok"}'))
        assert (await gateway.chat("a")).status_code == 200


async def test_a_refused_request_whose_body_was_not_asked_for_is_the_last_one() -> None:
    asks = b"POST /v1/unknown HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 27\r\n\r\n"
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(asks)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 404")
            assert b"connection: close" in head
            writer.write(GET)  # the client need not send the body
            assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 10)
        assert not engine.received


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"/v1/models?", "/v1/models?"),
        (b"/v1/models??a=%20&b", "/v1/models??a=%20&b"),
        (b"http://other:1/v1/models?a", "/v1/models?a"),
    ],
)
async def test_a_target_reaches_the_engine_as_it_was_sent(sent: bytes, got: str) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(GET.replace(b"/v1/models", sent))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert [request.target for request in engine.received] == [got]


async def test_a_target_without_a_path_is_the_root() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway, connection(gateway) as client:
        client[1].write(GET.replace(b"/v1/models", b"http://other"))
        assert (await client[0].readline()).startswith(b"HTTP/1.1 404")
