"""Every byte between gateway and engine, against a raw server on the loopback, under both event loops."""

import asyncio
import functools
import inspect
import socket
import ssl
import struct
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from concur_proxy.runtime import upstream as module
from concur_proxy.runtime.upstream import EngineBroke, EngineUnreachable, Headers, Upstream, UpstreamResponse

Answer = Callable[["Engine", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
UPGRADE = b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"


def both_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run the test on asyncio's own loop and on uvloop, which the gateway runs on, each time with a new Upstream."""

    @functools.wraps(test)
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **given: object) -> None:
        async def with_upstream() -> None:
            upstream, engines = Upstream(), list[Engine]()
            try:
                await test(upstream, functools.partial(serve, engines), **given)
            finally:
                for engine in engines:
                    engine.server.close()
                await upstream.close()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(with_upstream())

    _, _, *given = inspect.signature(test).parameters.values()
    loop_factory = inspect.Parameter("loop_factory", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    vars(run)["__signature__"] = inspect.Signature([loop_factory, *given])
    loops = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
    on_each: Callable[[Callable[..., None]], Callable[..., None]] = pytest.mark.parametrize("loop_factory", loops)
    return on_each(run)


class Engine:
    """A TCP server that keeps each request's raw bytes and gives the `answers` in turn, the last one for ever."""

    server: asyncio.Server

    def __init__(self, answers: list[bytes | Answer]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self.asked = asyncio.Event()
        """Set by each request."""
        self.gone = asyncio.Event()
        """Set once any client has closed its connection."""
        self.go_on = asyncio.Event()
        """For an answer that waits until the test says so."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        self.asked.set()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if callable(answer):
            await answer(self, reader, writer)
        else:
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self.requests[-1] += await reader.readexactly(int(length or 0))
            writer.write(answer)


Serve = Callable[..., Awaitable[tuple[Engine, str]]]


async def serve(
    engines: list[Engine], *answers: bytes | Answer, tls: ssl.SSLContext | None = None
) -> tuple[Engine, str]:
    """A new engine and its URL."""
    engine = Engine(list(answers))
    engines.append(engine)
    engine.server = await asyncio.start_server(engine, "127.0.0.1", 0, ssl=tls)
    return engine, f"{'https' if tls else 'http'}://127.0.0.1:{engine.server.sockets[0].getsockname()[1]}"


def then_close(sent: bytes) -> Answer:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    return answer


def then_reset(sent: bytes) -> Answer:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await engine.go_on.wait()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


def then_wait(sent: bytes, after: bytes = b"") -> Answer:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        if not after:
            await reader.readexactly(1)
        await engine.go_on.wait()
        writer.write(after)

    return answer


async def body_of(response: UpstreamResponse) -> bytes:
    return b"".join([chunk async for chunk in response.chunks()])


async def get(upstream: Upstream, url: str, method: str = "GET") -> tuple[int, Headers, bytes]:
    response = await upstream.send(url, method, b"/", [])
    return response.status, response.headers, await body_of(response)


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
        engine.go_on.set()  # the engine writes no further event until this one has been seen
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
    monkeypatch.setattr(module, "KEEP_IDLE_S", 0.0)
    engine, url = await serve(OK)
    await get(upstream, url)
    await engine.gone.wait()
    await get(upstream, url)
    assert engine.connections == 2


@both_loops
async def test_request_that_meets_a_closing_connection_is_sent_once_more(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(OK, then_close(b""), OK)
    await get(upstream, url)
    response = await upstream.send(url, "POST", b"/", [], b"abc")
    assert await body_of(response) == b"ok"
    assert engine.requests[1] == engine.requests[2].removesuffix(b"abc")
    assert engine.connections == 2


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
    upstream = Upstream(tls=ssl.create_default_context(cafile=certificate))
    assert (await get(upstream, url))[2] == b"ok"
    with pytest.raises(EngineBroke):
        await get(upstream, url)
    assert engine.connections == 1
    with pytest.raises(EngineUnreachable, match="certificate verify failed"):
        await get(default, url)
    await upstream.close()
