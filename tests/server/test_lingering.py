"""A client that is refused while it sends a large body gets the whole error, not a reset."""

import asyncio
import socket
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from concur_proxy.recognition.client_keys import client_key_entry
from concur_proxy.server import stalls
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import scripted_engine

MB = 1 << 20
PIECE = bytes(MB)
PATH = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


def pieces(size: int, *, chunked: bool) -> Iterator[bytes]:
    for _ in range(size // MB):
        yield b"%x\r\n%b\r\n" % (MB, PIECE) if chunked else PIECE
    if chunked:
        yield b"0\r\n\r\n"


def upload(gateway: RunningGateway, size: int, *, head: bytes = b"", chunked: bool = False) -> bytes:
    """Send a whole request of this size before anything is read. Returns what came until the end."""
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % size
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 20) as client:
        client.sendall(b"%b%b%b\r\n\r\n" % (PATH, head, framing))
        for piece in pieces(size, chunked=chunked):
            client.sendall(piece)
        return receive(client, until_closed=b"close" in head)


def receive(client: socket.socket, *, until_closed: bool = True) -> bytes:
    answer = b""
    while until_closed or not answer.endswith(b"}"):
        part = client.recv(MB)
        if not part:
            break
        answer += part
    return answer


def is_whole(answer: bytes, status: int) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.startswith(b"HTTP/1.1 %d " % status) and b"content-length: %d" % len(body) in head.lower()


@pytest.mark.parametrize("size", [1 * MB, 20 * MB, 200 * MB])
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
async def test_a_body_that_is_too_large(size: int, chunked: bool, head: bytes) -> None:  # noqa: FBT001
    async with scripted_engine() as engine, running_gateway(engine.url, max_body_bytes=65_536) as gateway:
        answer = await asyncio.to_thread(upload, gateway, size, head=head, chunked=chunked)
        assert is_whole(answer, 413)
        assert (b"connection: close" in answer) == bool(head)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"connection: close\r\nx-long: " + b"a" * 70_000 + b"\r\n", 431),
        (b"connection: close\r\ncontent-length: 1, 2\r\n", 400),
        (b"content-length: x\r\n", 400),
    ],
    ids=["its head is too large", "its framing is wrong", "no number"],
)
async def test_a_request_that_is_refused_by_its_head(head: bytes, status: int) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        answer = await asyncio.to_thread(upload, gateway, 20 * MB, head=head + b"x-close: close\r\n")
        assert is_whole(answer, status)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
async def test_an_upload_without_a_valid_key(tmp_path: Path, head: bytes, *, chunked: bool) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(client_key_entry(sha256(b"right").hexdigest(), tenant="acme"))
    head += b"authorization: Bearer wrong\r\n"
    async with scripted_engine() as engine, running_gateway(engine.url, client_keys_file=keys) as gateway:
        answer = await asyncio.to_thread(upload, gateway, 20 * MB, head=head, chunked=chunked)
        assert is_whole(answer, 401)
        assert engine.received == []


async def test_a_stalled_body_that_goes_on_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LOOK_S", 0.05)
    async with scripted_engine() as engine, running_gateway(engine.url, body_timeout_s=0.1) as gateway:

        def stall() -> bytes:
            with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 20) as client:
                client.sendall(PATH + b"content-length: %d\r\n\r\n" % (20 * MB))
                time.sleep(0.5)
                for piece in pieces(20 * MB, chunked=False):
                    client.sendall(piece)
                return receive(client)

        assert is_whole(await asyncio.to_thread(stall), 408)
        await gateway.settled()


@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
@pytest.mark.parametrize("bound", ["LINGER_BYTES", "LINGER_S"])
async def test_an_endless_body_is_cut_off(bound: str, head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, bound, 8 * MB if bound == "LINGER_BYTES" else 0.2)
    monkeypatch.setattr(stalls, "LOOK_S", 0.05)
    async with scripted_engine() as engine, running_gateway(engine.url, max_body_bytes=65_536) as gateway:

        def send_on() -> int:
            sent, deadline = 0, time.monotonic() + 20
            with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 20) as client:
                client.sendall(PATH + head + b"transfer-encoding: chunked\r\n\r\n")
                try:
                    while time.monotonic() < deadline:
                        client.sendall(b"%x\r\n%b\r\n" % (MB, PIECE))
                        sent += MB
                        time.sleep(0.005)
                except ConnectionError:
                    return sent
            raise AssertionError("the connection was not closed")

        sent = await asyncio.to_thread(send_on)
        assert bound == "LINGER_S" or sent < 40 * MB  # sockets hold some
        assert (await gateway.chat("a")).status_code == 200


async def test_a_kept_connection_serves_the_next_request() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, max_body_bytes=65_536) as gateway:

        def twice() -> tuple[bytes, bytes]:
            with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 20) as client:
                client.sendall(PATH + b"content-length: %d\r\n\r\n" % (2 * MB))
                for piece in pieces(2 * MB, chunked=False):
                    client.sendall(piece)
                refused = receive(client, until_closed=False)
                client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                return refused, receive(client)

        refused, healthy = await asyncio.to_thread(twice)
        assert is_whole(refused, 413)
        assert healthy.startswith(b"HTTP/1.1 200 ")


async def test_a_head_that_trickles_on_after_its_refusal_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LINGER_SILENCE_S", 0.2)
    monkeypatch.setattr(stalls, "LOOK_S", 0.05)
    async with scripted_engine() as engine, running_gateway(engine.url, head_timeout_s=0.1) as gateway:

        def trickle() -> float:
            with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 20) as client:
                client.sendall(b"GET / HT")
                assert is_whole(receive(client), 408)
                began = time.monotonic()
                try:
                    while time.monotonic() < began + 10:
                        client.sendall(b"x")
                        time.sleep(0.02)
                except ConnectionError:
                    pass
                return time.monotonic() - began

        assert await asyncio.to_thread(trickle) < 5
