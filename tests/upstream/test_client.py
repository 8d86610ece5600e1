"""The connection that a request uses, and what happens when client, engine or gateway stops."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from concur_proxy.eager import Run
from concur_proxy.upstream import origin
from concur_proxy.upstream.client import Upstream
from concur_proxy.upstream.failures import EngineBroke, EngineUnreachable
from concur_proxy.upstream.tls import Trust
from tests.upstream.raw_engine import (
    CHUNKED,
    OK,
    Answer,
    Serve,
    body_of,
    both_loops,
    get,
    then_close,
    then_reset,
    then_wait,
)


@both_loops
async def test_close_within_the_answer_is_seen_by_the_engine(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(CHUNKED + b"1\r\na\r\n"))
    response = await upstream.send(url, "GET", b"/", [])
    assert await anext(response.chunks()) == b"a"
    response.close()
    response.close()
    await engine.gone.wait()
    assert [chunk async for chunk in response.chunks()] == []


@both_loops
async def test_cancelled_request_is_seen_by_the_engine(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(b""))
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(get(upstream, url))
        await engine.asked.wait()
        waiting.cancel()
    await engine.gone.wait()


@both_loops
async def test_a_request_cancelled_while_it_connects_leaves_no_connection(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(then_wait(b""))

    async def ask() -> None:
        await upstream.send(url, "GET", b"/", [])

    for turns in range(12):
        run = Run(ask())
        run.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        while not run.has_ended:
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert not upstream._origins[url].connections


@both_loops
async def test_closing_the_upstream_ends_answers_in_flight_as_broken(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(b"HTTP/1.1 200 OK\r\n\r\na"))
    response = await upstream.send(url, "GET", b"/", [])
    await upstream.close()
    with pytest.raises(EngineBroke):
        await body_of(response)
    await engine.gone.wait()


@both_loops
async def test_connections_are_as_many_as_requests_in_flight_and_kept(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(OK[:-1], OK[-1:]))
    responses = await asyncio.gather(*(upstream.send(url, "GET", b"/", []) for _ in range(150)))
    engine.go_on.set()
    assert {await body_of(response) for response in responses} == {b"ok"}
    for _ in range(3):
        await get(upstream, url)
    assert engine.connections == 150


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        OK + OK,
        OK + b"x",
        then_close(OK),
    ],
    ids=["says close", "1.0", "two answers", "garbage after", "closes"],
)
@both_loops
async def test_connection_that_is_done_is_not_used_again(
    upstream: Upstream, serve: Serve, answer: bytes | Answer
) -> None:
    engine, url = await serve(answer, OK)
    assert (await get(upstream, url))[2] == b"ok"
    assert (await get(upstream, url))[2] == b"ok"
    assert engine.connections == 2


@both_loops
async def test_connection_whose_request_was_not_taken_whole_is_not_used_again(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(OK), OK)
    response = await upstream.send(url, "POST", b"/", [], bytes(32_000_000))
    assert await body_of(response) == b"ok"
    assert (await get(upstream, url))[2] == b"ok"
    assert engine.connections == 2


@both_loops
async def test_connection_idle_for_too_long_is_closed_not_used(
    upstream: Upstream, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "KEEP_IDLE_S", 0.0)
    engine, url = await serve(OK)
    await get(upstream, url)
    await engine.gone.wait()
    await get(upstream, url)
    assert engine.connections == 2


@both_loops
async def test_a_request_that_meets_a_closing_connection_is_sent_once_more(upstream: Upstream, serve: Serve) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        received: list[bytes] = []

        async def answer_one() -> socket.socket:
            connection, _ = await loop.sock_accept(listening)
            while not received or not received[-1].endswith(b"abc"):
                received.append(await loop.sock_recv(connection, 4096))
            await loop.sock_sendall(connection, OK)
            return connection

        for _ in range(2):
            received.clear()
            engine = loop.create_task(answer_one())
            response = await upstream.send(url, "POST", b"/", [], b"abc")
            assert await body_of(response) == b"ok"
            (await engine).close()  # the next request is sent before the loop can read this end


@pytest.mark.parametrize("ends", [then_close, then_reset])
@pytest.mark.parametrize(("method", "requests"), [("POST", 2), ("PATCH", 2), ("GET", 3), ("DELETE", 3)])
@both_loops
async def test_a_request_that_an_engine_had_received_is_sent_again_only_if_that_does_no_more(
    upstream: Upstream, serve: Serve, method: str, requests: int, ends: Callable[[bytes], Answer]
) -> None:
    engine, url = await serve(OK, ends(b""), OK)
    engine.go_on.set()
    await get(upstream, url)
    answer = None
    with contextlib.suppress(EngineBroke):
        answer = await upstream.send(url, method, b"/", [])
    assert (answer is not None) == (requests == 3)
    assert len(engine.requests) == requests


@pytest.mark.parametrize(("answers", "requests"), [([OK, then_close(b"")], 3), ([OK, then_close(b"HTTP/1.1 2")], 2)])
@both_loops
async def test_request_is_not_sent_a_third_time_nor_after_a_byte_of_answer(
    upstream: Upstream, serve: Serve, answers: list[bytes | Answer], requests: int
) -> None:
    engine, url = await serve(*answers)
    await get(upstream, url)
    with pytest.raises(EngineBroke) as broke:
        await get(upstream, url)
    assert not broke.value.answered
    assert len(engine.requests) == requests


@both_loops
async def test_refused_connection_and_unknown_host_are_unreachable(upstream: Upstream, serve: Serve) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid", f"http://{'x' * 64}.invalid"):
            with pytest.raises(EngineUnreachable, match=url):
                await get(upstream, url)


@both_loops
async def test_connecting_has_its_own_time_out(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(then_wait(b""))
    with pytest.raises(EngineUnreachable, match=r"within 0\.05 s"):  # the TLS handshake gets no answer
        await get(Upstream(connect_timeout_s=0.05), url.replace("http", "https"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@both_loops
async def test_https_engine(default: Upstream, serve: Serve, certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    engine, url = await serve(OK, then_close(CHUNKED + b"1\r\na\r\n"), tls=tls)
    upstream = Upstream(trust=Trust(certificate))
    assert (await get(upstream, url))[2] == b"ok"
    with pytest.raises(EngineBroke):
        await get(upstream, url)
    assert engine.connections == 1
    with pytest.raises(EngineUnreachable, match="certificate verify failed"):
        await get(default, url)
    await upstream.close()
