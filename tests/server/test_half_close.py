import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer_at_once, scripted_engine
from tests.server.test_protocol import connection

BODY = b'{"model":"m","messages":[]}'
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def slow(seconds: float) -> Callable[[Exchange], Awaitable[None]]:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await answer_at_once(exchange)

    return script


@pytest.mark.parametrize(("seconds", "interim"), [(0.1, b""), (1.5, INTERIM)])
async def test_a_client_that_has_finished_sending_gets_its_answer(seconds: float, interim: bytes) -> None:
    async with scripted_engine(script=slow(seconds)) as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(POST)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 20)  # to the end: the connection closes with the answer
        assert answer.startswith(interim + b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close" in answer
        assert b'"object": "chat.completion"' in answer
        await gateway.settled()


async def test_a_stream_goes_on_after_the_client_has_finished_sending() -> None:
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(b"data: one\n\n")
        await go_on.wait()
        await exchange.chunk(b"data: two\n\n")
        await exchange.send(b"0\r\n\r\n")

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(POST)
            before = await reader.readuntil(b"data: one\n\n")
            writer.write_eof()
            go_on.set()
            answer = before + await asyncio.wait_for(reader.read(), 20)
        assert INTERIM not in answer, "nothing is put between the bytes of an answer"
        assert answer.endswith(b"data: two\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("more", [b"", POST, POST[:-3]], ids=["one", "two requests", "one and a half"])
@pytest.mark.parametrize("leaves", ["close", "reset", "half, then close"])
async def test_a_client_that_leaves_is_noticed_at_once(leaves: str, more: bytes) -> None:
    async with scripted_engine(script=slow(30)) as engine, running_gateway(engine.url) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(POST + more)
        await gateway.until(lambda: bool(engine.received))
        if leaves == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if leaves == "half, then close":
            client.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.2)
            assert gateway.snapshot().in_flight == 1, "it still waits for its answer"
        client.close()
        await asyncio.wait_for(gateway.settled(), 10)


@pytest.mark.parametrize("head", [POST.replace(b"HTTP/1.1", b"HTTP/1.0"), POST[:-3]], ids=["HTTP/1.0", "half a body"])
async def test_an_end_that_can_only_mean_leaving_is_taken_as_such(head: bytes) -> None:
    async with scripted_engine(script=slow(5)) as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(head)
            await asyncio.sleep(0.1)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 3) == b""
        await gateway.settled()
