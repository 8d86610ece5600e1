"""The bytes between gateway and engine."""

import asyncio
import gc
import socket
import struct
from collections.abc import Callable

import pytest

from concur_proxy.upstream.client import Upstream
from concur_proxy.upstream.connection import Connection
from concur_proxy.upstream.failures import EngineBroke
from concur_proxy.wire.headers import Headers
from tests.upstream.raw_engine import (
    CHUNKED,
    OK,
    Answer,
    Engine,
    Serve,
    body_of,
    both_loops,
    get,
    then_close,
    then_reset,
    then_wait,
)

UPGRADE = b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
ODD_HEADERS = [
    (b"X-Twice", b"1"),
    (b"x-odd", b"caf\xe9 \xff\x80"),
    (b"accept-encoding", b"br;q=1.0,  gzip"),
    (b"X-Twice", b"0"),
    (b"x-utf8", "\u00fc\u4e16".encode()),
    (b"x-empty", b""),
    (b"cookie", b'a="b c"; a=2'),
]


@both_loops
async def test_request_arrives_byte_for_byte(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(OK)
    target, body = b"/v1/a%2Fb%zz//../c;d?q=%C3%BC&x=a+b&&=#1?", bytes(range(256))

    await body_of(await upstream.send(url, "POST", target, ODD_HEADERS, body))

    lines = [b"POST " + target + b" HTTP/1.1", b"host: " + url[7:].encode()]
    lines += [b"%b: %b" % header for header in ODD_HEADERS]
    assert engine.requests == [b"\r\n".join([*lines, b"content-length: 256", b"", body])]


@both_loops
async def test_framing_follows_the_body_not_the_client_s_headers(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(OK)
    framing = [b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect"]
    for body in (None, b"", b"abc"):
        await body_of(await upstream.send(url, "POST", b"/", [(name, b"7") for name in framing], body))

    head = b"POST / HTTP/1.1\r\nhost: " + url[7:].encode() + b"\r\n"
    assert engine.requests == [
        head + b"\r\n",
        head + b"content-length: 0\r\n\r\n",
        head + b"content-length: 3\r\n\r\nabc",
    ]


@pytest.mark.parametrize(
    ("base", "line"), [("/engines/1", b"/engines/1/v1/x?y"), ("/a%20b/", b"/a%20b/v1/x?y"), ("/", b"/v1/x?y")]
)
@both_loops
async def test_target_goes_behind_the_engine_url_s_path(
    upstream: Upstream, serve: Serve, base: str, line: bytes
) -> None:
    engine, url = await serve(OK)
    await body_of(await upstream.send(url + base, "GET", b"/v1/x?y", []))
    assert engine.requests[0].startswith(b"GET " + line + b" HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("target", "headers"), [(b"/a b", []), (b"/\r\nx: y", []), (b"/", [(b"x", b"y\nz: 1")]), (b"/", [(b"x\r", b"y")])]
)
@both_loops
async def test_no_request_is_made_of_a_line_break(
    upstream: Upstream, serve: Serve, target: bytes, headers: Headers
) -> None:
    engine, url = await serve(OK)
    with pytest.raises(ValueError, match="line break"):
        await upstream.send(url, "GET", target, headers)
    assert engine.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://h",
        "http://",
        "http://u:p@h",
        "http://h?q",
        "http://h#f",
        "http://h:x",
        "http://:80",
    ],
)
@both_loops
async def test_wrong_engine_url_is_a_value_error(upstream: Upstream, serve: Serve, url: str) -> None:
    with pytest.raises(ValueError, match=r"engine URL|[Pp]ort"):
        await get(upstream, url)


@both_loops
async def test_answer_is_handed_on_byte_for_byte(upstream: Upstream, serve: Serve) -> None:
    packed = b"\x1f\x8b\x08\x00not really gzip"
    headers = [*ODD_HEADERS, (b"Content-Encoding", b"gzip"), (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=2")]
    lines = [
        b"HTTP/1.1 429 Slow Down",
        *(b"%b: %b" % header for header in headers),
        b"Content-Length: %d" % len(packed),
    ]
    _, url = await serve(b"\r\n".join([*lines, b"", packed]))

    answer = await get(upstream, url)

    assert answer == (429, [*headers, (b"Content-Length", b"%d" % len(packed))], packed)


@both_loops
async def test_answer_that_comes_byte_by_byte_is_the_same(upstream: Upstream, serve: Serve) -> None:
    async def drip(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    _, url = await serve(drip)
    assert await get(upstream, url) == (200, [(b"transfer-encoding", b"chunked")], b"abcde")


@both_loops
async def test_chunks_are_not_held_back(upstream: Upstream, serve: Serve) -> None:
    async def stream(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        for event in (b"a", b"b", b"c"):
            await engine.go_on.wait()
            engine.go_on.clear()
            writer.write(b"1\r\n" + event + b"\r\n")
        writer.write(b"0\r\n\r\n")

    engine, url = await serve(stream)
    response = await upstream.send(url, "GET", b"/", [])
    seen = []
    engine.go_on.set()
    async for chunk in response.chunks():
        seen.append(chunk)
        engine.go_on.set()  # the engine writes the next event only after this one has been seen
    assert seen == [b"a", b"b", b"c"]


@both_loops
async def test_trailers_are_known_at_the_end(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(CHUNKED + b"1\r\na\r\n0\r\nX-Sum: \xe9\r\nx-sum: 2\r\n\r\n", OK)
    response = await upstream.send(url, "GET", b"/", [])
    assert await body_of(response) == b"a"
    assert response.trailers == [(b"X-Sum", b"\xe9"), (b"x-sum", b"2")]
    assert (await get(upstream, url))[1] == [(b"content-length", b"2")]
    assert engine.connections == 1


@both_loops
async def test_interim_answers_are_skipped(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK)
    assert await get(upstream, url) == (200, [(b"content-length", b"2")], b"ok")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@both_loops
async def test_answer_without_body_keeps_its_connection(upstream: Upstream, serve: Serve, status: bytes) -> None:
    engine, url = await serve(b"HTTP/1.1 " + status + b"\r\n\r\n", OK)
    assert (await get(upstream, url))[2] == b""
    assert (await get(upstream, url))[2] == b"ok"
    assert engine.connections == 1


@both_loops
async def test_answer_to_head_has_a_length_and_no_body(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", OK)
    assert await get(upstream, url, "HEAD") == (200, [(b"content-length", b"9")], b"")
    assert (await get(upstream, url))[2] == b"ok"


@both_loops
async def test_body_without_length_ends_with_the_connection(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(then_close(b"HTTP/1.1 200 OK\r\n\r\nall there is"))
    assert (await get(upstream, url))[2] == b"all there is"


@pytest.mark.parametrize(
    "answer",
    [
        then_close(b""),
        then_close(b"HTTP/1.1 200 OK\r\ncontent-le"),
        then_close(b"SSH-2.0-x\r\n"),
        UPGRADE,
        b"HTTP/1.1 600 X\r\ncontent-length: 0\r\n\r\n",
    ],
)
@both_loops
async def test_death_before_the_answer(upstream: Upstream, serve: Serve, answer: bytes | Answer) -> None:
    engine, url = await serve(answer)
    with pytest.raises(EngineBroke) as broke:
        await get(upstream, url)
    assert not broke.value.answered
    assert engine.connections == 1


@pytest.mark.parametrize("end", [then_close, then_reset])
@pytest.mark.parametrize("sent", [CHUNKED + b"1\r\na\r\n", CHUNKED + b"2\r\na", OK[:-1].replace(b"ok", b"a")])
@both_loops
async def test_death_within_the_answer(
    upstream: Upstream, serve: Serve, end: Callable[[bytes], Answer], sent: bytes
) -> None:
    engine, url = await serve(end(sent[:-1] + b"a" if sent.endswith(b"o") else sent))
    response = await upstream.send(url, "GET", b"/", [])
    seen = []
    with pytest.raises(EngineBroke) as broke:  # noqa: PT012
        async for chunk in response.chunks():
            seen.append(chunk)
            engine.go_on.set()
    assert seen == [b"a"]
    assert broke.value.answered
    response.close()


@both_loops
async def test_reset_of_a_body_without_length_is_no_end(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_reset(b"HTTP/1.1 200 OK\r\n\r\na"))
    response = await upstream.send(url, "GET", b"/", [])
    engine.go_on.set()
    with pytest.raises(EngineBroke, match="reset"):
        await body_of(response)


@both_loops
async def test_garbage_within_the_answer(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(CHUNKED + b"1\r\na\r\nzz\r\n"))
    with pytest.raises(EngineBroke, match="not HTTP"):
        await get(upstream, url)
    await engine.gone.wait()


@both_loops
async def test_unread_answer_stops_the_engine_s_writing(upstream: Upstream, serve: Serve) -> None:
    size = 64_000_000

    async def flood(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        writer.write(bytes(size))
        await writer.drain()
        engine.go_on.set()

    engine, url = await serve(flood)
    response = await upstream.send(url, "GET", b"/", [])
    connection = response._connection
    assert connection is not None
    while not connection.paused:
        assert not engine.go_on.is_set(), "all was read though nobody took it"
        await asyncio.sleep(0)
    assert connection.untaken < 2_000_000
    assert sum([len(chunk) async for chunk in response.chunks()]) == size


@both_loops
async def test_a_request_is_repeated_if_its_kept_connection_is_lost_while_it_is_written(
    upstream: Upstream, serve: Serve
) -> None:
    del serve  # this engine closes its socket without a turn of the loop
    loop = asyncio.get_running_loop()
    body = (b"{", b"}")  # two writes
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        asking = asyncio.create_task(upstream.send(url, "POST", b"/", [], body))
        first, _ = await loop.sock_accept(listening)
        await loop.sock_recv(first, 1000)
        await loop.sock_sendall(first, OK)
        await body_of(await asking)

        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        again = asyncio.create_task(upstream.send(url, "POST", b"/", [], body))
        second, _ = await asyncio.wait_for(loop.sock_accept(listening), 5)
        with second:
            await loop.sock_recv(second, 1000)
            await loop.sock_sendall(second, OK)
            assert await body_of(await again) == b"ok"


def _connections() -> int:
    return sum(isinstance(each, Connection) for each in gc.get_objects())


@both_loops
async def test_a_connection_that_is_closed_is_freed_without_a_search_for_cycles(
    upstream: Upstream, serve: Serve
) -> None:
    gc.collect()
    before = _connections()
    gc.disable()
    try:
        for answer in (then_close(OK), then_wait(OK[:-1])):
            _, url = await serve(answer)
            response = await upstream.send(url, "GET", b"/", [])
            assert _connections() == before + 1
            response.close()  # in the middle of the second answer
            del response
            async with asyncio.timeout(5):
                while _connections() > before:
                    await asyncio.sleep(0.01)
    finally:
        gc.enable()
