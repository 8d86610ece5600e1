"""Clients that speak HTTP/1.0, such as ab, old load balancers, and nginx towards its upstreams by default."""

import asyncio

import pytest

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine
from tests.server.test_protocol import CHUNKED, connection


def old(method: bytes, path: bytes, body: bytes = b"", more: bytes = b"") -> bytes:
    return b"%b %b HTTP/1.0\r\n%bcontent-length: %d\r\n\r\n%b" % (method, path, more, len(body), body)


async def whole_answer(gateway: RunningGateway, request: bytes) -> bytes:
    async with connection(gateway) as (reader, writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 20)


@pytest.mark.parametrize("more", [b"", b"connection: keep-alive\r\n", b"expect: 100-continue\r\n"])
async def test_a_stream_has_no_chunks_and_ends_with_the_connection(more: bytes) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(b"data: one\n\n")
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.send(b"0\r\nx-took: 3\r\n\r\n")

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(old(b"POST", b"/v1/chat/completions", b'{"stream":true}', more))
            head, _, body = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body == b"data: one\n\ndata: [DONE]\n\n"
        await gateway.settled()


@pytest.mark.parametrize(("method", "body"), [(b"GET", b"ab"), (b"HEAD", b"")])
async def test_an_answer_with_a_length_keeps_it(method: bytes, body: bytes) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + body)

    async with (
        scripted_engine(script=script) as engine,
        running_gateway(engine.url) as gateway,
        connection(gateway) as (reader, writer),
    ):
        writer.write(old(method, b"/v1/models"))
        head, _, got = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
        assert b"content-length: 2" in head
        assert got == body


async def test_an_answer_that_breaks_off_and_one_without_a_body() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(CHUNKED + b"1\r\na\r\n")
        exchange.die()

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        with pytest.raises(ConnectionResetError):  # a mere end would look like the end of the answer
            await whole_answer(gateway, old(b"GET", b"/v1/models"))

        async def nothing(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")

        engine.script = nothing
        async with connection(gateway) as (reader, writer):
            writer.write(old(b"GET", b"/v1/models"))
            head, _, got = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 204")
            assert got == b""


async def test_the_gateways_own_answers() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        for path, status in ((b"/healthz", b"200"), (b"/metrics", b"200"), (b"/nowhere", b"404")):
            async with connection(gateway) as (reader, writer):
                writer.write(old(b"GET", path))
                head, _, got = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 " + status)
                assert got
