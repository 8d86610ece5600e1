"""Requests that no engine should see. Each gets an error that says what is wrong and what to do."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from concur_proxy.engines.kinds.sglang.paths import PATHS as SGLANG
from concur_proxy.engines.kinds.vllm.paths import PATHS as VLLM
from concur_proxy.wire.answer.fault import GatewayFault
from tests.http.raw_http import Message, RawEngine, call, connected, raw_engine, sends
from tests.http.running_gateway import RunningGateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

Pair = tuple[RawEngine, RunningGateway]

CHAT = "/v1/chat/completions"
SHAPED = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/generate"]
MAX_BODY_BYTES = 100_000
ADMINISTRATION = sorted({path for paths in (VLLM, SGLANG) for path in paths.administrative if not path.endswith("/*")})
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Pair]:
    async with (
        raw_engine(sends(ANSWER)) as engine,
        running_gateway(engine.url, max_body_bytes=MAX_BODY_BYTES) as gateway,
    ):
        yield engine, gateway


@pytest.fixture
def pair(running: Pair) -> Pair:
    """A running gateway whose engine has received nothing yet."""
    running[0].seen.clear()
    return running


def request(
    method: str, target: str, body: bytes = b"", *lines: str, content_type: str | None = "application/json"
) -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: gateway", f"Content-Length: {len(body)}", *lines]
    if content_type is not None:
        head.append(f"Content-Type: {content_type}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def refused(answer: Message, path: str, fault: GatewayFault, *says: str) -> None:
    """Check that the answer is the error for this fault, in the shape of the called API."""
    assert answer.status == fault.value.status
    assert answer.values(b"x-concur-reason") == [fault.code.encode()]
    assert answer.values(b"content-type") == [b"application/json"]
    value = json.loads(answer.body)
    if path.startswith("/v1/messages"):
        assert value["type"] == "error"
        assert set(value["error"]) == {"type", "message"}
        assert value["error"]["type"] == fault.value.anthropic_type
    elif path == "/generate":
        assert set(value["error"]) == {"type", "message", "code"}
        assert value["error"]["code"] == fault.value.status
    else:
        assert set(value["error"]) == {"type", "message", "param", "code"}
        assert value["error"]["code"] == fault.code
        assert value["error"]["type"] == fault.value.openai_type
    for text in (*says, fault.value.fix):
        assert text in value["error"]["message"]


@pytest.mark.parametrize("path", SHAPED)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "line 1, column 1"),
        (b"hello", "line 1, column 1"),
        (b'{"model": "m"', "column 14"),
        (b'{"model": "m",\n "messages": [}', "line 2"),
        (b'{"messages": [{"content": "\xff\xfe"}]}', "UTF-8"),
        (b"\x1f\x8b\x08\x00", "UTF-8"),
        (b"model=m&prompt=x", "line 1, column 1"),
        (b'{"a":' * 50_000, ""),
    ],
)
async def test_what_is_no_json_is_told_where(pair: Pair, path: str, body: bytes, says: str) -> None:
    engine, gateway = pair
    body = body[:MAX_BODY_BYTES]
    refused(await call(gateway.url, request("POST", path, body)), path, GatewayFault.BAD_JSON, says)
    assert not engine.seen


@pytest.mark.parametrize("path", SHAPED)
@pytest.mark.parametrize(
    ("body", "says"), [(b"[]", "an array"), (b'[{"model":"m"}]', "an array"), (b"null", "null"), (b'"x"', "a string")]
)
async def test_json_that_is_no_object_is_named(pair: Pair, path: str, body: bytes, says: str) -> None:
    engine, gateway = pair
    refused(await call(gateway.url, request("POST", path, body)), path, GatewayFault.BODY_NOT_OBJECT, says)
    assert not engine.seen


@pytest.mark.parametrize("path", SHAPED)
@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":true,"messages":7,"model":[],"n":"many","stream_options":"all"}',
        b'{"stream":"yes","temperature":"hot","max_tokens":-1}',
        b'{"model":null,"metadata":"x","program_id":{},"prompt_cache_key":[1]}',
        b"{}",
    ],
)
async def test_values_are_the_engines_to_judge(pair: Pair, path: str, body: bytes) -> None:
    engine, gateway = pair
    assert (await call(gateway.url, request("POST", path, body))).status == 200
    sent = json.loads(engine.seen[0].body)
    # the gateway may ask for a stream's usage
    assert {**sent, "stream_options": 0} == {**json.loads(body), "stream_options": 0}


@pytest.mark.parametrize("path", ["/v1/embeddings", "/tokenize", "/v1/messages/count_tokens"])
async def test_where_nothing_is_generated_the_engine_judges_the_body(pair: Pair, path: str) -> None:
    engine, gateway = pair
    assert (await call(gateway.url, request("POST", path, b"not JSON"))).status == 200
    assert engine.seen[0].body == b"not JSON"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completion",
        "/v1/chat/completions/",
        "/v1/messages/",
        "/v1/messages/count_token",
        "/v1/models/",
        "/generate/",
        "/v1",
        "/",
        "/favicon.ico",
        "/docs",
        "/openapi.json",
        "/metrics/",
        "/healthz/x",
        "/v1/chat/completions;x=1",
        "/V1/chat/completions",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/v1/../v1/models",
        "/v1/models/..",
        "/v1/%E2%82%AC",
        "*",
        "/" + "a" * 5000,
    ],
)
async def test_an_unknown_path_is_named(pair: Pair, path: str) -> None:
    engine, gateway = pair
    shape = path if path.startswith("/v1/messages") else "/v1/x"
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        answer = await call(gateway.url, request(method, path))
        named = "€" if "%E2" in path else path[:100]
        refused(answer, shape, GatewayFault.UNKNOWN_PATH, method, named)
    assert not engine.seen


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", b"POST"),
        ("PATCH", "/v1/messages", b"POST"),
        ("DELETE", "/generate", b"POST, PUT"),
        ("POST", "/v1/models", b"GET"),
        ("POST", "/v1/models/org/model", b"GET"),
        ("PUT", "/v1/responses/resp_1", b"DELETE, GET"),
        ("GET", "/v1/responses/resp_1/cancel", b"POST"),
        ("TRACE", "/v1/completions", b"POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(pair: Pair, method: str, path: str, allow: bytes) -> None:
    engine, gateway = pair
    answer = await call(gateway.url, request(method, path, b"{}"))
    refused(answer, path, GatewayFault.WRONG_METHOD, f"{method} {path}")
    assert answer.values(b"allow") == [allow]
    assert not engine.seen


TRICKS = ["{0}", "{0}/", "/{0}", "//{0}//", "{0}?x=1", "{upper}", "{0}%20", "{0}%00", "{0};x=1", "{0}/."]
"""Spellings of a path that some server might take for it."""
LONGER_TRICKS = [
    "/v1/..{0}",
    "/v1/models/../..{0}",
    "/v1/models/%2e%2e/%2e%2e{0}",
    "/v1/models/..%2f..{encoded}",
    "/v1/models/..%5c..{0}",
    "/v1/models/%252e%252e{0}",
    "/v1/models/..;/..{0}",
    "/v1/responses/../..{0}/cancel",
    "/%2e{0}",
    "/.{0}",
    "/{encoded}",
    "{first}",
    "http://engine{0}",
]


@pytest.mark.parametrize("path", ADMINISTRATION)
async def test_administration_does_not_pass_however_it_is_written(pair: Pair, path: str) -> None:
    engine, gateway = pair
    encoded = "%2F" + path[1:].replace("/", "%2f")
    first = f"/%{ord(path[1]):02x}{path[2:]}"
    async with asyncio.timeout(20), connected(gateway.url) as client:
        for trick in (*TRICKS, *LONGER_TRICKS):
            target = trick.format(path, upper=path.upper(), encoded=encoded, first=first)
            for method in ("POST", "GET"):
                await client.send(request(method, target, b"{}"))
                answer = await client.answer()
                assert answer.status in {403, 404}, target
                assert answer.values(b"x-concur-reason") in [[b"admin_refused"], [b"unknown_path"]]
    refused(await call(gateway.url, request("POST", path)), path, GatewayFault.ADMIN_REFUSED, f"POST {path}")
    assert not engine.seen


async def test_a_request_of_absolute_form_is_the_path_it_names(pair: Pair) -> None:
    engine, gateway = pair
    assert (await call(gateway.url, request("GET", "http://elsewhere:1/v1/models?x=1"))).status == 200
    assert engine.seen[0].target == b"/v1/models?x=1"


async def test_a_request_to_open_a_websocket_is_answered_over_http(pair: Pair) -> None:
    engine, gateway = pair
    lines = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"]
    answer = await call(gateway.url, request("GET", "/v1/realtime?model=m", b"", *lines))
    refused(answer, "/v1/realtime", GatewayFault.UNKNOWN_PATH)
    # curl offers HTTP/2 like this: the offer is declined and the request is served
    lines = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    assert (await call(gateway.url, request("GET", "/v1/models", b"", *lines))).status == 200
    assert not engine.seen[0].values(b"upgrade")
    assert not engine.seen[0].values(b"http2-settings")


@pytest.mark.parametrize("framing", ["Content-Length", "Transfer-Encoding"])
@pytest.mark.parametrize("piece", [1, 50, 10_000])
async def test_an_offer_of_another_protocol_does_not_cost_the_body(pair: Pair, framing: str, piece: int) -> None:
    engine, gateway = pair
    sent = body = b'{"messages": []}'
    value = str(len(body))
    if framing == "Transfer-Encoding":
        sent, value = b"10\r\n%b\r\n0\r\n\r\n" % body, "chunked"
    lines = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    lines.append(f"{framing}: {value}")
    head = "\r\n".join([f"POST {CHAT} HTTP/1.1", "Host: gateway", *lines]).encode() + b"\r\n\r\n"
    async with asyncio.timeout(20), connected(gateway.url) as client:
        for _ in range(2):  # the connection continues as HTTP/1.1
            whole = head + sent
            for start in range(0, len(whole), piece):
                await client.send(whole[start : start + piece])
                await asyncio.sleep(0)
            assert (await client.answer()).status == 200
    assert [seen.body for seen in engine.seen] == [body, body]
    assert not engine.seen[0].values(b"upgrade") + engine.seen[0].values(b"http2-settings")


async def test_a_trailer_of_a_request_is_no_header(pair: Pair) -> None:
    engine, gateway = pair
    head = f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\nTrailer: x-session-id\r\n\r\n"
    sent = head.encode() + b"2\r\n{}\r\n0\r\nx-session-id: forged\r\n\r\n"
    assert (await call(gateway.url, sent)).status == 200
    assert engine.seen[0].body == b"{}"
    assert not engine.seen[0].values(b"x-session-id")
    assert all(gate.sessions.get("forged") is None for gate in gateway.app.coordinator.fleet.gates.values())


@pytest.mark.parametrize(
    ("piece", "says"),
    [
        (b"X-Endless: ", "65536 bytes"),
        (b"v" * 10_000, "65536 bytes"),
        (b"v" * 100_000, "65536 bytes"),
        (b"X-Short: v\r\n" * 9000, "256 fields"),
        (b"a:\r\n" * 10, "256 fields"),
    ],
    ids=["long", "longer", "longest", "many", "some at a time"],
)
async def test_a_head_without_end_is_cut_off(pair: Pair, piece: bytes, says: str) -> None:
    engine, gateway = pair
    async with asyncio.timeout(20), connected(gateway.url) as client:
        await client.send(f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nX-Long: ".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(200_000 // len(piece)):
                await client.send(piece)
        refused(await client.answer(), CHAT, GatewayFault.HEADERS_TOO_LARGE, says)
    assert not engine.seen


async def test_a_target_without_end_is_cut_off(pair: Pair) -> None:
    engine, gateway = pair
    async with asyncio.timeout(20), connected(gateway.url) as client:
        await client.send(f"POST {CHAT}?".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                await client.send(b"a" * 10_000)
        refused(await client.answer(), CHAT, GatewayFault.TARGET_TOO_LONG, "65535 bytes")
    assert not engine.seen


@pytest.mark.parametrize("path", SHAPED)
@pytest.mark.parametrize("size", [70_000, 1_000_000])
async def test_headers_too_large_are_refused(pair: Pair, path: str, size: int) -> None:
    engine, gateway = pair
    for lines, says in (
        ([f"X-Long: {'v' * size}"], "65536 bytes"),
        ([f"X-{i}: {'v' * (size // 200)}" for i in range(200)], "65536 bytes"),
        ([f"X-{i}: {'v' * 100}" for i in range(size // 90)], "256 fields"),
    ):
        answer = await call(gateway.url, request("POST", path, b"{}", *lines))
        refused(answer, path, GatewayFault.HEADERS_TOO_LARGE, says)
    assert not engine.seen


@pytest.mark.parametrize("zeros", [5, 5000])
async def test_a_length_may_have_leading_zeros(pair: Pair, zeros: int) -> None:
    engine, gateway = pair
    head = f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {'0' * zeros}2\r\n\r\n"
    assert (await call(gateway.url, head.encode() + b"{}")).status == 200
    assert engine.seen[0].values(b"content-length") == [b"2"]


async def test_headers_just_under_the_limit_pass(pair: Pair) -> None:
    engine, gateway = pair
    answer = await call(gateway.url, request("POST", CHAT, b"{}", f"X-Long: {'v' * 65_000}"))
    assert answer.status == 200
    assert engine.seen[0].values(b"x-long") == [b"v" * 65_000]


@pytest.mark.parametrize("path", [*SHAPED, "/v1/embeddings"])
async def test_a_body_too_large_is_refused(pair: Pair, path: str) -> None:
    engine, gateway = pair
    body = b'{"x":"' + b"y" * MAX_BODY_BYTES + b'"}'
    with_length = request("POST", path, body)
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    in_chunks = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    for sent in (with_length, in_chunks):
        refused(await call(gateway.url, sent), path, GatewayFault.BODY_TOO_LARGE, f"{MAX_BODY_BYTES} bytes")
    assert not engine.seen


async def test_a_body_of_the_largest_size_passes(pair: Pair) -> None:
    engine, gateway = pair
    body = b'{"x":"' + b"y" * (MAX_BODY_BYTES - 8) + b'"}'
    assert len(body) == MAX_BODY_BYTES
    assert (await call(gateway.url, request("POST", CHAT, body))).status == 200
    assert engine.seen[0].body == body


async def test_a_body_too_large_is_refused_before_it_has_come_whole(pair: Pair) -> None:
    engine, gateway = pair
    head = f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100000000000\r\n\r\n".encode()
    async with asyncio.timeout(20), connected(gateway.url) as client:
        await client.send(head)
        refused(await client.answer(), CHAT, GatewayFault.BODY_TOO_LARGE)
    assert not engine.seen


async def test_a_client_that_goes_before_its_body_has_come_leaves_nothing(pair: Pair) -> None:
    engine, gateway = pair
    async with connected(gateway.url) as client:
        await client.send(f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert (await call(gateway.url, request("POST", CHAT, b"{}"))).status == 200
    assert len(engine.seen) == 1
    snapshot = gateway.snapshot()
    assert (snapshot.in_flight, snapshot.waiting) == (0, 0)


async def test_what_follows_a_body_longer_than_told_ends_the_connection(pair: Pair) -> None:
    engine, gateway = pair
    async with asyncio.timeout(20), connected(gateway.url) as client:
        await client.send(f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{{}}SMUGGLED".encode())
        assert b"HTTP/1.1 400 Bad Request\r\n" in await client.rest()
    assert [seen.body for seen in engine.seen] in ([], [b"{}"])


async def test_a_long_target_passes(pair: Pair) -> None:
    engine, gateway = pair
    target = f"/v1/models?x={'y' * 60_000}"
    assert (await call(gateway.url, request("GET", target))).status == 200
    assert [seen.target for seen in engine.seen] == [target.encode()]


@pytest.mark.parametrize("path", SHAPED)
async def test_a_target_is_not_longer_than_any_server_would_take(pair: Pair, path: str) -> None:
    engine, gateway = pair
    answer = await call(gateway.url, request("POST", f"{path}?x={'y' * 70_000}", b"{}"))
    refused(answer, path, GatewayFault.TARGET_TOO_LONG, "65535 bytes")
    assert not engine.seen


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\n\r\n",
        b"GET /v1/models HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /v1/models HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET /v1/models\r\nHost: x\r\n\r\n",
        b"POST /v1/completions\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/mod els HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"CONNECT engine:80 HTTP/1.1\r\nHost: engine:80\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_400_and_the_connection_ends(pair: Pair, garbage: bytes) -> None:
    engine, gateway = pair
    async with asyncio.timeout(20), connected(gateway.url) as client:
        await client.send(garbage)
        answer = await client.answer()
        refused(answer, "", GatewayFault.BAD_HTTP)
        assert answer.values(b"connection") == [b"close"]
        assert not await client.rest()
    assert not engine.seen
    assert gateway.snapshot().in_flight == 0


async def test_a_connection_serves_on_after_a_refusal(pair: Pair) -> None:
    engine, gateway = pair
    async with asyncio.timeout(20), connected(gateway.url) as client:
        for bad in (
            request("POST", CHAT, b"["),
            request("POST", "/nowhere", b"x" * 1000),
            request("POST", "/sleep", b"{}"),
            request("POST", CHAT, b"x" * (MAX_BODY_BYTES + 1000)),
            request("GET", CHAT),
        ):
            await client.send(bad)
            assert (await client.answer()).values(b"x-concur-reason")
        await client.send(request("POST", CHAT, b"{}"))
        assert (await client.answer()).status == 200
    assert len(engine.seen) == 1


async def test_refusals_are_counted_by_reason(pair: Pair) -> None:
    _, gateway = pair
    before = await gateway.metric("concur_request_failures_total", reason="bad_json")
    await call(gateway.url, request("POST", CHAT, b"["))
    assert await gateway.metric("concur_request_failures_total", reason="bad_json") == before + 1
