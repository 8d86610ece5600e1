"""Clients that stall, and too many of them."""

import asyncio
import resource
import socket
import subprocess
import sys

import pytest

from concur_proxy.server import stalls
from concur_proxy.server.connections import ClientConnections, ClientLimits, connections_for
from concur_proxy.wire.answer.fault import GatewayFault
from tests.cli.test_serve import NOWHERE
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine
from tests.server.test_half_close import POST
from tests.server.test_protocol import GET, connection

SHORT = {"head_timeout_s": 0.4, "body_timeout_s": 0.4, "send_timeout_s": 0.5}


def limits(**changed: int) -> ClientLimits:
    values = {"max_connections": 2, "max_per_client": 0, **changed}
    return ClientLimits(head_timeout_s=10, body_timeout_s=30, send_timeout_s=60, **values)


class Idle:
    def __init__(self) -> None:
        self.is_closed = False

    def close_idle(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: ", b"HTTP/1.1 408 Request Timeout\r\n"),
        (POST[:-3], b"HTTP/1.1 408 Request Timeout\r\n"),
        (
            POST.replace(b"content-length: 27", b"transfer-encoding: chunked")[:-27] + b"5\r\nhello\r\n",
            b"HTTP/1.1 408 ",
        ),
    ],
    ids=["nothing", "half a head", "half a body", "chunks without an end"],
)
async def test_a_client_that_stalls_gets_an_error_and_loses_its_connection(sent: bytes, answer: bytes) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **SHORT) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(sent)
            got = await asyncio.wait_for(reader.read(), 10)
            assert got.startswith(answer)
            assert (b'"code":"client_stalled"' in got) == bool(answer)
        await gateway.settled()
        assert not engine.received


async def test_a_head_that_trickles_is_cut_off_and_a_body_that_trickles_is_not() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **SHORT) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(POST[:-10])
            for byte in POST[-10:]:
                await asyncio.sleep(0.1)
                writer.write(bytes([byte]))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        async with connection(gateway) as (reader, writer):
            got = asyncio.create_task(reader.readline())
            for byte in GET[:20]:
                if not got.done():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.1)
            assert (await asyncio.wait_for(got, 10)).startswith(b"HTTP/1.1 408")


async def test_a_client_that_goes_on_sending_a_refused_body_loses_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stalls, "LINGER_S", 0.3)
    monkeypatch.setattr(stalls, "LOOK_S", 0.1)
    async with scripted_engine() as engine, running_gateway(engine.url, max_body_bytes=1024) as gateway:
        head = POST.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n\r\n"
        async with connection(gateway) as (reader, writer):
            writer.write(head + b"800\r\n" + b"x" * 0x800)
            assert (await reader.readline()).startswith(b"HTTP/1.1 413")
            await asyncio.wait_for(reader.read(), 10)  # to the end of the connection
        async with connection(gateway) as (reader, writer):
            writer.write(head + b"800\r\n" + b"x" * 0x800)
            assert (await reader.readline()).startswith(b"HTTP/1.1 413")
            writer.write(b"\r\n0\r\n\r\n")  # it ends in time, so the connection stays
            await asyncio.sleep(0.5)
            writer.write(GET)
            await reader.readuntil(b"HTTP/1.1 200")


async def test_waiting_for_an_answer_is_no_stall_nor_is_an_idle_connection() -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(1.2)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with (
        scripted_engine(script=script) as engine,
        running_gateway(engine.url, **SHORT) as gateway,
        connection(gateway) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(POST)
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(1)


async def test_an_idle_connection_is_closed_after_the_time_of_the_setting() -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, keep_alive_s=0.3) as gateway,
        connection(gateway) as (reader, writer),
    ):
        writer.write(GET)
        assert await asyncio.wait_for(reader.read(), 10)


async def test_a_client_that_reads_nothing_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LOOK_S", 0.1)

    async def script(exchange: Exchange) -> None:
        await exchange.start_stream()
        for _ in range(400):
            await exchange.chunk(b"data: %b\n\n" % (b"x" * 60_000))

    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **SHORT) as gateway:
        client = socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        client.sendall(POST)
        await gateway.until(lambda: gateway.snapshot().in_flight == 1)
        await asyncio.wait_for(gateway.settled(), 25)
        client.close()


async def test_a_client_that_reads_slowly_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes much longer than the time-out until the kernel takes more of the answer."""
    monkeypatch.setattr(stalls, "LOOK_S", 0.1)

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n" + bytes(20_000_000))

    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **SHORT) as gateway:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            client.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
            client.sendall(POST)
            client.settimeout(0)
            for _ in range(60):
                assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5)
                await asyncio.sleep(0.02)
            assert gateway.snapshot().in_flight == 1
        await gateway.settled()


async def test_too_many_connections_get_an_error_and_an_idle_one_makes_room() -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.5)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with (
        scripted_engine(script=script) as engine,
        running_gateway(engine.url, max_connections=2) as gateway,
        connection(gateway) as (first, to_first),
        connection(gateway) as (second, to_second),
    ):
        to_first.write(POST)
        to_second.write(POST)
        await gateway.until(lambda: len(engine.received) == 2)
        async with connection(gateway) as (third, to_third):
            to_third.write(POST)
            refusal = await asyncio.wait_for(third.read(), 10)
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b'"code":"too_many_connections"' in refusal
            assert b"retry-after: 5\r\n" in refusal
        async with connection(gateway) as (third, to_third):
            to_third.write(GET.replace(b"/v1/models", b"/healthz"))
            healthy = await asyncio.wait_for(third.read(), 10)  # until the connection is closed
            assert healthy.startswith(b"HTTP/1.1 200 ")
        for reader in (first, second):
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        # both are idle now, and the older one is closed for a new client
        async with connection(gateway) as (third, to_third):
            to_third.write(POST)
            assert (await third.readline()).startswith(b"HTTP/1.1 200")
            assert await asyncio.wait_for(first.read(), 10) == b""


async def test_too_many_connections_of_one_client() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, max_connections_per_client=1) as gateway:
        async with connection(gateway) as (first, to_first), connection(gateway) as (second, to_second):
            to_second.write(POST)
            assert (await asyncio.wait_for(second.read(), 10)).startswith(b"HTTP/1.1 429 ")
            to_first.write(POST)
            assert (await first.readline()).startswith(b"HTTP/1.1 200")
        async with connection(gateway) as (reader, writer):
            writer.write(POST)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")


def test_the_oldest_idle_connection_makes_room() -> None:
    every = ClientConnections(limits())
    one, two = Idle(), Idle()
    assert every.enter("a") is every.enter("b") is None
    every.on_idle(one)
    every.on_idle(two)
    every.on_busy(one)
    every.on_idle(one)
    assert every.enter("c") is None
    assert (one.is_closed, two.is_closed) == (False, True)


def test_beyond_the_limit_there_is_a_refusal_and_beyond_that_no_answer() -> None:
    every = ClientConnections(limits(max_connections=20))
    seen = [(every.enter("a"), every.is_flooded) for _ in range(24)]
    assert seen[:20] == [(None, False)] * 20
    assert seen[20:23] == [(GatewayFault.TOO_MANY_CONNECTIONS, False)] * 3
    assert seen[23][1]
    for _ in range(24):
        every.leave("a")
    assert every.enter("a") is None


def test_the_file_limit_bounds_the_connections() -> None:
    assert (connections_for(1024), connections_for(80), connections_for(0)) == (480, 8, 1)


@pytest.mark.parametrize(("limit", "flag"), [("the soft limit", "-S"), ("both limits", "")])
def test_a_low_file_limit_is_raised_or_bounds_the_connections(limit: str, flag: str) -> None:
    serve = f"{sys.executable} -m concur_proxy serve --port 0 --engine {NOWHERE}"
    command = ["sh", "-c", f"ulimit {flag} -n 100; exec {serve}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            soft, _ = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            assert (soft > 100) == (limit == "the soft limit")
            if limit == "both limits":
                clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
                clients[19].sendall(POST)
                assert b'"code":"too_many_connections"' in clients[19].recv(4096)
                for client in clients:
                    client.close()
        finally:
            process.kill()


def test_a_client_is_busy_from_its_connection_to_the_end_of_its_last_answer() -> None:
    connections, client = ClientConnections(limits()), Idle()
    assert not connections.is_busy
    connections.enter("a")
    assert connections.is_busy
    connections.on_idle(client)
    assert not connections.is_busy
    connections.on_busy(client)
    assert connections.is_busy
    connections.leave("a")
    assert not connections.is_busy
