"""What engine and client see through the gateway, compared with what they see without it.

These may differ:

- fields of one connection (RFC 9110, 7.6.1) and the body's framing, because each connection has its own;
- `host`, which names the called server, and `expect`, which the gateway answers when it reads the body;
- `x-request-id` and `x-concur-*`: `tell_clients` adds those that are absent (see test_added_headers.py);
- the case of header names and the phrase of the status line: they have no meaning, and ASGI does not carry them;
- the length of a streamed answer from which the gateway removes the event that only it asked for.
"""

import asyncio
import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.http.raw_http import Connection, Fields, Message, RawEngine, Script, call, connected, raw_engine, sends
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.wire.answer import streams

pytestmark = pytest.mark.asyncio(loop_scope="module")

Compared = Callable[[Script, bytes], Awaitable[tuple[Message, Message]]]

FRAMING = {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"trailer"}
"""Of either direction."""
OF_THE_HOP = FRAMING | {b"host", b"expect", b"te", b"upgrade", b"proxy-authorization", b"proxy-connection"}
"""Of a request."""

ADDED = {b"x-request-id", b"x-concur-queue-wait-s", b"x-concur-engine", b"x-concur-session-state"}
"""By `tell_clients`."""

CHAT = b"/v1/chat/completions"
JSON_BODY = b'{ "model":"m",\t"messages" : [{"role":"user","content":"h\\u00e9 \\ud83d\\ude00"}] }\n'
PATHS = [CHAT, b"/v1/messages", b"/generate", b"/v1/embeddings"]


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    head = [b"POST %b HTTP/1.1" % path, b"Host: engine", *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def whole(status: bytes, body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


def chunked(parts: list[bytes], *lines: bytes) -> bytes:
    head = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n"
    return head + b"".join(b"%X;ext=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def kept(fields: Fields, without: set[bytes]) -> Fields:
    return [(name.lower(), value) for name, value in fields if name.lower() not in without]


def without_added(direct: Fields, proxied: Fields) -> Fields:
    """Return the proxied fields without those that the gateway adds and that were absent before."""
    added = ADDED - {name.lower() for name, _ in direct}
    return [field for field in proxied if field[0].lower() not in added]


def same_request(direct: Message, proxied: Message) -> None:
    assert proxied.start == direct.start
    fields = without_added(direct.fields, proxied.fields)
    assert kept(fields, OF_THE_HOP) == kept(direct.fields, OF_THE_HOP)
    assert proxied.body == direct.body


def same_answer(direct: Message, proxied: Message) -> None:
    assert proxied.status == direct.status
    fields = without_added(direct.fields, proxied.fields)
    assert kept(fields, FRAMING) == kept(direct.fields, FRAMING)
    assert proxied.body == direct.body
    assert kept(proxied.trailers, FRAMING) == kept(direct.trailers, FRAMING)


async def compare(engine: RawEngine, gateway: RunningGateway, request: bytes) -> tuple[Message, Message]:
    """Check that the proxied request and answer equal the direct ones, and return them."""
    engine.seen.clear()
    direct = await call(engine.url, request)
    proxied = await call(gateway.url, request)
    seen_directly, seen_proxied = engine.seen
    same_request(seen_directly, seen_proxied)
    same_answer(direct, proxied)
    return seen_proxied, proxied


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair() -> AsyncIterator[tuple[RawEngine, RunningGateway]]:
    async with raw_engine(sends(b"")) as engine, running_gateway(engine.url) as gateway:
        yield engine, gateway


@pytest.fixture
def compared(pair: tuple[RawEngine, RunningGateway]) -> Compared:
    """Call `compare` with an engine that has this script."""

    async def run(script: Script, request: bytes) -> tuple[Message, Message]:
        engine, gateway = pair
        engine.script = script
        return await compare(engine, gateway, request)

    return run


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (
            b"200 OK",
            b'{"usage":{"prompt_tokens":1,"completion_tokens":1},"x":1.0e+00, "y":"\\u00e9"}',
            b"application/json",
        ),
        (b"200 Fine", b"{broken", b"application/json"),
        (b"400 Bad Request", b'{"object":"error","message":"no","code":40001}', b"application/json; charset=utf-8"),
        (b"401 Unauthorized", b"", b"text/plain"),
        (b"404 Not Found", b'{"error":{"message":"The model `x` does not exist."}}', b"application/json"),
        (b"422 Unprocessable Entity", b'{"detail":[{"loc":["body"]}]}', b"application/json"),
        (b"429 Too Many Requests", b"slow down\n", b"text/plain"),
        (b"500 Internal Server Error", b"\x00\xff\xfe<html>", b"application/octet-stream"),
        (b"503 Service Unavailable", b'{"error":"no room"}', b"application/json"),
        (b"418 I'm a teapot", b"short", b""),
        (b"302 Found", b"", b"text/plain"),
    ],
)
async def test_statuses_and_bodies_pass(
    compared: Compared, path: bytes, status: bytes, body: bytes, content_type: bytes
) -> None:
    answer = whole(status, body, b"Content-Type: " + content_type, b"Location: /elsewhere", b"Retry-After: 7")
    seen, got = await compared(sends(answer), post(path, JSON_BODY, b"Content-Type: application/json"))
    assert seen.body == JSON_BODY
    assert got.body == body
    assert got.values(b"content-length") == [b"%d" % len(body)]
    # only the gateway's own answers have this
    assert not got.values(b"x-concur-reason")


@pytest.mark.parametrize("path", PATHS)
async def test_odd_answer_headers_pass_in_order(compared: Compared, path: bytes) -> None:
    lines = [
        b"Content-Type: application/json",
        b"Set-Cookie: a=1; Path=/",
        b"SET-COOKIE: b=2; HttpOnly",
        b"set-cookie: a=3",
        b"X-Empty:",
        b"X-Latin: caf\xe9",
        b"X-Utf: caf\xc3\xa9",
        b"X-Long: " + b"v" * 30_000,
        b"x-MiXeD-cAsE: MiXeD",
        b'X-Quoted: "a, b" ; c="d\\"e"',
        b"X-Tab: a\tb",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Server: engine/1.0",
        b"Via: 1.1 other",
        b"Access-Control-Allow-Origin: *",
        b'ETag: W/"x"',
    ]
    _, got = await compared(sends(whole(b"200 OK", b"{}", *lines)), post(path, b"{}"))
    assert got.values(b"set-cookie") == [b"a=1; Path=/", b"b=2; HttpOnly", b"a=3"]
    assert got.values(b"server") == [b"engine/1.0"]


@pytest.mark.parametrize("path", PATHS)
async def test_the_engine_sees_the_clients_headers_and_no_other(compared: Compared, path: bytes) -> None:
    lines = [
        b"Authorization: Bearer sk-\xe9",
        b"X-Request-Id: 1",
        b"x-request-id: 2",
        b"X-Empty:",
        b"X-Long: " + b"v" * 30_000,
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"Accept-Encoding: gzip, br;q=0.5",
        b"User-Agent: Odd/1 (x; y)",
        b"Cookie: a=1",
        b"Cookie: b=2",
        b"X-Session-Id: s",
        b"X-Session-End: true",
        b"X-Data-Parallel-Rank: 3",
        b"X-Forwarded-For: 10.0.0.1",
        b"Forwarded: for=10.0.0.1",
        b"Content-Type: application/json",
    ]
    seen, _ = await compared(sends(whole(b"200 OK", b"{}")), post(path, JSON_BODY, *lines))
    assert [name for name, _ in kept(seen.fields, OF_THE_HOP)] == [line.partition(b":")[0].lower() for line in lines]


@pytest.mark.parametrize("path", [CHAT, b"/v1/embeddings"])
async def test_large_bodies_pass_both_ways(compared: Compared, path: bytes) -> None:
    content = os.urandom(2_500_000).hex().encode()
    body = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % content
    answer = b'{"content":"%b","usage":{"prompt_tokens":9,"completion_tokens":1}}' % content
    assert min(len(body), len(answer)) > 5_000_000
    seen, got = await compared(sends(whole(b"200 OK", answer, b"Content-Type: application/json")), post(path, body))
    assert seen.body == body
    assert got.body == answer


async def test_a_large_answers_usage_is_counted() -> None:
    answer = b'{"content":"%b","usage":{"prompt_tokens":9,"completion_tokens":1}}' % (b"x" * 5_000_000)
    script = sends(whole(b"200 OK", answer, b"Content-Type: application/json"))
    async with raw_engine(script) as engine, running_gateway(engine.url) as gateway:
        await compare(engine, gateway, post(CHAT, JSON_BODY, b"X-Session-Id: s"))
        assert gateway.snapshot().footprint_tokens == 10


BODY = b'{"id":"1","usage":{"prompt_tokens":1,"completion_tokens":1}}'
EVENTS = b"".join(streams.VLLM_UNASKED)
COMPRESSED = [
    (b"gzip", gzip.compress(BODY, mtime=0), b"application/json"),
    (b"deflate", zlib.compress(BODY), b"application/json"),
    (b"br", b"\x8b\x02\x80not really brotli\x03", b"application/json"),
    (b"zstd, gzip", b"\x00\x01", b"application/json"),
    (b"gzip", gzip.compress(EVENTS, mtime=0), b"text/event-stream"),
]


@pytest.mark.parametrize(("encoding", "body", "content_type"), COMPRESSED)
@pytest.mark.parametrize("is_stream", [b"true", b"false"])
async def test_compressed_answers_stay_compressed(
    compared: Compared, encoding: bytes, body: bytes, content_type: bytes, is_stream: bytes
) -> None:
    lines = [b"Content-Encoding: " + encoding, b"Content-Type: " + content_type, b"Vary: Accept-Encoding"]
    request = post(CHAT, b'{"stream":%b,"stream_options":{"include_usage":true}}' % is_stream, b"Accept-Encoding: gzip")
    for answer in (whole(b"200 OK", body, *lines), chunked([body[:3], body[3:]], *lines)):
        _, got = await compared(sends(answer), request)
        assert got.values(b"content-encoding") == [encoding]
        assert got.body == body


@pytest.mark.parametrize("path", [CHAT, b"/v1/embeddings"])
async def test_compressed_requests_stay_compressed(compared: Compared, path: bytes) -> None:
    body = gzip.compress(b'{"stream":true}')
    lines = [b"Content-Encoding: gzip", b"Content-Type: application/json"]
    seen, _ = await compared(sends(whole(b"200 OK", b"{}")), post(path, body, *lines))
    assert seen.body == body


@pytest.mark.parametrize("content_type", [b"application/json", b"text/event-stream", b"audio/wav"])
@pytest.mark.parametrize("sizes", [[1] * 40, [5, 1, 70_000, 2], [300_000, 300_000]])
async def test_chunked_answers_pass_whatever_their_chunks(
    compared: Compared, content_type: bytes, sizes: list[int]
) -> None:
    answer = chunked([os.urandom(size) for size in sizes], b"Content-Type: " + content_type)
    _, got = await compared(sends(answer), post(CHAT, JSON_BODY))
    assert len(got.body) == sum(sizes)


async def test_trailers_pass(compared: Compared) -> None:
    answer = chunked([b"{}"], b"Trailer: X-Sum").removesuffix(b"\r\n") + b"X-Sum: 7\r\nx-sum: 8\r\n\r\n"
    _, got = await compared(sends(answer), post(CHAT, JSON_BODY))
    assert kept(got.trailers, set()) == [(b"x-sum", b"7"), (b"x-sum", b"8")]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_answer_that_ends_with_its_connection_passes(compared: Compared, version: bytes) -> None:
    answer = b"HTTP/%b 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" % version + b"data: x\n\nhalf"
    _, got = await compared(sends(answer, closes=True), post(CHAT, JSON_BODY))
    assert got.body == b"data: x\n\nhalf"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 123\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
@pytest.mark.parametrize("path", [CHAT, b"/v1/embeddings"])
async def test_answers_without_a_body_and_interim_ones_pass(compared: Compared, answer: bytes, path: bytes) -> None:
    await compared(sends(answer), post(path, JSON_BODY))


async def test_head_is_answered_with_the_length_of_what_get_would_bring(compared: Compared) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-A: 1\r\n\r\n"
    request = b"HEAD /v1/models HTTP/1.1\r\nHost: engine\r\n\r\n"
    _, got = await compared(sends(answer), request)
    assert got.values(b"content-length") == [b"1234"]


async def test_a_preflight_is_the_engines_to_answer(compared: Compared) -> None:
    answer = whole(
        b"200 OK", b"OK", b"Access-Control-Allow-Origin: https://x", b"Access-Control-Allow-Methods: GET, POST"
    )
    request = (
        b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nOrigin: https://x\r\n"
        b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
    )
    await compared(sends(answer), request)


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/models?",
        b"/v1/models?a=%2F&b=+&c=%20",
        b"/v1/models?a=1&a=2&&=&a",
        b"/v1/models?u=%E2%82%AC&l=%e9&bad=%zz&pct=%",
        b"/v1/models?q=?/:@!$'()*,;[]{}|\"<>^`\\",
        b"/v1/models/org%2Fmodel",
        b"/v1/models/%6d?x=%2e%2e%2f",
    ],
)
async def test_targets_pass_as_they_are_written(pair: tuple[RawEngine, RunningGateway], target: bytes) -> None:
    request = b"GET %b HTTP/1.1\r\nHost: engine\r\n\r\n" % target
    engine, gateway = pair
    engine.script = sends(whole(b"200 OK", b"{}"))
    engine.seen.clear()
    assert (await call(gateway.url, request)).status == 200
    assert engine.seen[0].target == target


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        (CHAT, b"\xff\xfe\x00", b"application/octet-stream"),
        (CHAT, '{"a":1,"stream":true}'.encode("utf-16"), b"application/json"),
        (CHAT, b'{"a":NaN,"b":1e999}', b"application/json"),
        (CHAT, b'{"stream":true,"messages":7,"temperature":"hot"}', b"text/plain"),
        (b"/v1/embeddings", b"not JSON at all \x00\xff", b"application/json"),
        (b"/v1/audio/transcriptions", b"--b\r\n\r\n\x00\xff\r\n--b--\r\n", b"multipart/form-data; boundary=b"),
        (b"/tokenize", b"", b"application/json"),
    ],
)
async def test_request_bodies_pass_as_they_are(
    compared: Compared, path: bytes, body: bytes, content_type: bytes
) -> None:
    request = post(path, body, b"Content-Type: " + content_type)
    seen, _ = await compared(sends(whole(b"200 OK", b"{}")), request)
    assert seen.body == body
    assert seen.values(b"content-length") == [b"%d" % len(body)]


async def test_a_request_without_a_body_goes_on_without_one(compared: Compared) -> None:
    seen, _ = await compared(sends(whole(b"200 OK", b"{}")), b"GET /v1/models HTTP/1.1\r\nHost: engine\r\n\r\n")
    assert not seen.values(b"content-length")
    assert not seen.values(b"transfer-encoding")


@pytest.mark.parametrize("path", [CHAT, b"/v1/embeddings"])
async def test_a_chunked_request_goes_on_with_a_length(compared: Compared, path: bytes) -> None:
    parts = [JSON_BODY[:1], JSON_BODY[1:30], JSON_BODY[30:]]
    head = b"POST %b HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    request = head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    seen, _ = await compared(sends(whole(b"200 OK", b"{}")), request)
    assert seen.body == JSON_BODY
    assert seen.values(b"content-length") == [b"%d" % len(JSON_BODY)]


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    head, body = post(CHAT, JSON_BODY, b"Expect: 100-continue").split(b"\r\n\r\n", 1)
    async with raw_engine(sends(whole(b"200 OK", b"{}"))) as engine, running_gateway(engine.url) as gateway:
        for url in (engine.url, gateway.url):
            async with asyncio.timeout(20), connected(url) as client:
                await client.send(head + b"\r\n\r\n")
                assert (await client.head()).status == 100
                await client.send(body)
                assert (await client.answer()).status == 200
        same_request(*engine.seen)
        assert engine.seen[1].body == JSON_BODY


async def test_fields_of_one_connection_stay_on_it(pair: tuple[RawEngine, RunningGateway]) -> None:
    lines = [b"Connection: keep-alive, X-Hop", b"X-Hop: 1", b"Keep-Alive: timeout=9", b"TE: trailers", b"X-End: 1"]
    answer = whole(b"200 OK", b"{}", b"Connection: X-Back", b"X-Back: 1", b"Keep-Alive: timeout=3", b"X-Other: 1")
    engine, gateway = pair
    engine.script = sends(answer)
    engine.seen.clear()
    got = await call(gateway.url, post(CHAT, JSON_BODY, *lines))
    assert kept(engine.seen[0].fields, ADDED | {b"host", b"content-length"}) == [(b"x-end", b"1")]
    assert kept(got.fields, ADDED | {b"content-length"}) == [(b"x-other", b"1")]


def an_engine_that_counts(unasked: list[bytes], asked: list[bytes]) -> Script:
    """Send another stream if usage is asked for, as the engines do."""

    async def script(connection: Connection, request: Message) -> None:
        options = json.loads(request.body).get("stream_options") or {}
        events = asked if options.get("include_usage") else unasked
        await connection.send(chunked(events, b"Content-Type: text/event-stream; charset=utf-8"))

    return script


SGLANG_UNASKED = [event for event in streams.SGLANG_ASKED if b'"choices":[],"usage":{' not in event]
ENGINES = pytest.mark.parametrize(
    ("unasked", "asked"),
    [(streams.VLLM_UNASKED, streams.VLLM_ASKED), (SGLANG_UNASKED, streams.SGLANG_ASKED)],
    ids=["vllm", "sglang"],
)


@ENGINES
@pytest.mark.parametrize("options", [b"", b',"stream_options":null', b',"stream_options":{"include_usage":false}'])
async def test_a_client_that_did_not_ask_for_usage_sees_none(
    unasked: list[bytes], asked: list[bytes], options: bytes
) -> None:
    request = post(CHAT, b'{"model":"m","messages":[],"stream":true%b}' % options, b"X-Session-Id: s")
    async with (
        raw_engine(an_engine_that_counts(unasked, asked)) as engine,
        running_gateway(engine.url) as gateway,
    ):
        direct = await call(engine.url, request)
        for asks in (False, True):
            proxied = await call(gateway.url, request)
            same_answer(direct, proxied)
            assert proxied.body == b"".join(unasked)
            # vLLM's fingerprint moves when usage is asked for: the first stream shows where it belongs
            assert (b'"include_usage":true' in engine.seen[-1].body) is asks
        assert gateway.snapshot().footprint_tokens == 127


@ENGINES
async def test_a_client_that_asked_for_usage_sees_it(
    compared: Compared, unasked: list[bytes], asked: list[bytes]
) -> None:
    body = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'
    _, got = await compared(an_engine_that_counts(unasked, asked), post(CHAT, body))
    assert got.body == b"".join(asked)


@ENGINES
async def test_nobody_is_asked_where_the_gateway_shall_not_ask(unasked: list[bytes], asked: list[bytes]) -> None:
    body = b'{"model":"m","messages":[],"stream":true}'
    script = an_engine_that_counts(unasked, asked)
    async with raw_engine(script) as engine, running_gateway(engine.url, ask_usage=False) as gateway:
        seen, got = await compare(engine, gateway, post(CHAT, body))
    assert seen.body == body
    assert got.body == b"".join(unasked)


async def test_a_stream_with_a_length_is_stripped_to_another(pair: tuple[RawEngine, RunningGateway]) -> None:
    answer = whole(b"200 OK", b"".join(streams.SGLANG_ASKED), b"Content-Type: text/event-stream")
    engine, gateway = pair
    engine.script = sends(answer)
    for _ in range(2):  # the first one shows the gateway what the engine's streams look like
        got = await call(gateway.url, post(CHAT, b'{"stream":true}'))
    assert got.body == b"".join(SGLANG_UNASKED)


@pytest.mark.parametrize(
    ("path", "body", "events"),
    [
        (CHAT, b'{"stream":true}', streams.VLLM_UNASKED),
        (CHAT, b'{"stream":true,"stream_options":{"include_usage":true}}', streams.VLLM_ASKED),
        (b"/v1/messages", b'{"stream":true}', streams.ANTHROPIC),
        (b"/v1/responses", b'{"stream":true}', streams.RESPONSES),
        (b"/generate", b'{"stream":true}', streams.SGLANG_GENERATE),
        (CHAT, b'{"stream":true,"stream_options":{"include_usage":true}}', [b"data: {", b'"x', b'":1}\n', b"\n"]),
        (b"/v1/audio/speech", b"{}", [b"\x00", b"\xff" * 5000, b"\n\n"]),
    ],
)
async def test_each_chunk_reaches_the_client_before_the_engine_sends_the_next(
    path: bytes, body: bytes, events: list[bytes]
) -> None:
    arrived = asyncio.Semaphore(0)

    async def lockstep(connection: Connection, request: Message) -> None:
        content_type = b"audio/wav" if b"audio" in path else b"text/event-stream"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % content_type
        await connection.send(head)
        await arrived.acquire()
        for event in events:
            await connection.send(b"%x\r\n%b\r\n" % (len(event), event))
            await arrived.acquire()
        await connection.send(b"0\r\n\r\n")

    async with raw_engine(lockstep) as engine, running_gateway(engine.url) as gateway:
        for url in (engine.url, gateway.url):
            async with asyncio.timeout(20), connected(url) as client:
                await client.send(post(path, body))
                assert (await client.head()).status == 200
                arrived.release()
                for event in events:
                    assert await client.chunk() == event
                    arrived.release()
                assert await client.chunk() == b""
