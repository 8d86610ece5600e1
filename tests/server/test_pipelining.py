"""Clients that send the next request before they have the answer to the one before."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from concur_proxy.server import stalls
from concur_proxy.server.http_client import MOST_WAITING
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, answer_at_once, scripted_engine
from tests.server.test_half_close import POST
from tests.server.test_protocol import GET, connection

GARBAGE = b"\x00\x01 no request\r\n\r\n"
OFFER = b"connection: close, upgrade\r\nupgrade: h2c\r\n"
BODY = POST.partition(b"\r\n\r\n")[2]


def with_fields(request: bytes, fields: bytes) -> bytes:
    return request.replace(b"host: x\r\n", b"host: x\r\n" + fields)


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answers) if status != b"100"]


@asynccontextmanager
async def slow_answers(**settings: object) -> AsyncIterator[tuple[ScriptedEngine, RunningGateway, asyncio.Event]]:
    """An engine that answers once the event is set."""
    may_answer = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await may_answer.wait()
        await answer_at_once(exchange)

    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **settings) as gateway:
        yield engine, gateway, may_answer


@pytest.mark.parametrize("more", [b"\r\n", b"GET /v1/mo", with_fields(POST, b"expect: 100-continue\r\n")[: -len(BODY)]])
async def test_what_follows_a_request_may_take_as_long_as_the_answer(
    more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_S", 0.02)
    async with (
        slow_answers(head_timeout_s=0.1, body_timeout_s=0.1) as (engine, gateway, may_answer),
        connection(gateway) as (reader, writer),
    ):
        writer.write(POST)
        await gateway.until(lambda: engine.in_flight == 1)
        writer.write(more)
        await asyncio.sleep(0.3)
        may_answer.set()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        if more != b"\r\n":  # from now on the client has to send it in time
            assert b"HTTP/1.1 408" in await asyncio.wait_for(reader.read(), 10)


@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    "bad", [GARBAGE, GET.replace(b"1.1", b"2.0"), POST.replace(b"content-length: 27", b"transfer-encoding: chunked")]
)
async def test_requests_before_an_invalid_one_are_answered_first(*, before: int, later: bool, bad: bytes) -> None:
    async with slow_answers() as (engine, gateway, may_answer), connection(gateway) as (reader, writer):
        writer.write(POST * before if later else POST * before + bad)
        await gateway.until(lambda: engine.in_flight == 1)
        if later:
            writer.write(bad)
        writer.write(GET)
        await asyncio.sleep(0.02)
        may_answer.set()
        assert statuses(await asyncio.wait_for(reader.read(), 10)) == [200] * before + [400]
        assert len(engine.received) == before


@pytest.mark.parametrize("more", [POST, GARBAGE])
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    "last",
    [
        with_fields(POST, b"connection: close\r\n"),
        with_fields(POST, OFFER),
        POST.replace(b"1.1", b"1.0"),
        with_fields(POST.replace(b"1.1", b"1.0"), b"connection: keep-alive\r\n"),
    ],
    ids=["close", "upgrade and close", "HTTP/1.0", "HTTP/1.0 that would be kept"],
)
async def test_what_follows_a_last_request_is_ignored(*, more: bytes, later: bool, last: bytes) -> None:
    async with slow_answers() as (engine, gateway, may_answer), connection(gateway) as (reader, writer):
        writer.write(last if later else last + more)
        await gateway.until(lambda: engine.in_flight == 1)
        writer.write(more)
        await asyncio.sleep(0.01)
        may_answer.set()
        answers = await asyncio.wait_for(reader.read(), 10)
        assert statuses(answers) == [200]
        assert answers.endswith(b"}")
        assert len(engine.received) == 1


async def test_a_complete_request_is_answered_although_the_next_one_ends_early() -> None:
    async with slow_answers() as (engine, gateway, may_answer), connection(gateway) as (reader, writer):
        writer.write(POST + POST[:-3])
        writer.write_eof()
        await gateway.until(lambda: engine.in_flight == 1)
        may_answer.set()
        assert statuses(await asyncio.wait_for(reader.read(), 10)) == [200]
        assert len(engine.received) == 1


async def test_too_many_requests_at_once_end_the_connection_after_some_answers() -> None:
    async with slow_answers() as (_, gateway, may_answer), connection(gateway) as (reader, writer):
        writer.write(POST + GET * 4000)
        may_answer.set()
        answers = await asyncio.wait_for(reader.read(), 20)
        assert statuses(answers) == [200] * MOST_WAITING
        assert answers.count(b"connection: close") == 1, "the client can tell which ones were not served"


async def test_a_client_that_takes_no_answers_gets_no_more_of_them() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000))

    count = 120
    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
            await asyncio.to_thread(client.sendall, GET * count)
            before = -1
            while len(engine.received) != before:
                before = len(engine.received)
                await asyncio.sleep(0.1)
            assert before < count / 2
            client.settimeout(0)
            loop, answers = asyncio.get_running_loop(), 0
            while answers < count:
                answers += (await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 10)).count(b"HTTP/1.1 ")
            assert len(engine.received) == count


HEAD = POST.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("beginning", [b"0\r\nx: ", b"2;x=", b"0\r\n"], ids=["trailer", "chunk extension", "trailers"])
async def test_what_belongs_to_no_body_has_a_limit(beginning: bytes) -> None:
    more = b"x: y\r\n" * 10_000 if beginning == b"0\r\n" else b"a" * 60_000
    async with slow_answers() as (_, gateway, _), connection(gateway) as (reader, writer):
        writer.write(HEAD + b"2\r\n{}\r\n" + beginning + more * 30)
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 431")


async def test_a_client_that_resets_while_nothing_is_read_from_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LOOK_S", 0.02)
    async with slow_answers() as (engine, gateway, _):
        with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ahead = HEAD + b"FFFFF\r\n" + bytes(0xFFFFF)
            client.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                await asyncio.to_thread(client.sendall, POST + ahead * 20)
            assert gateway.snapshot().in_flight == len(engine.received) == 1
        await gateway.settled()
