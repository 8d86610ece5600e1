import asyncio
import json

import pytest

from concur_proxy.server.head import fault_of_head
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine
from tests.server.test_protocol import GET, connection


@pytest.mark.parametrize(
    "value",
    [
        b"", b"localhost", b"a.example", b"a.example:", b"10.0.0.1:8080", b"[::1]", b"[::1]:8080", b"[fe80::1%25eth0]",
        b"[fe80::1%eth0]:80", b"vllm_proxy:8000", b"xn--bcher-kva.example", b"a%2Db", b"A.EXAMPLE", b"a:80 \t",
    ],
)  # fmt: skip
def test_one_valid_host_is_welcome(value: bytes) -> None:
    assert not fault_of_head([(b"accept", b"*/*"), (b"host", value)], is_old=False)
    assert not fault_of_head([(b"host", value)], is_old=True)


@pytest.mark.parametrize(
    "value",
    [
        b"a b", b"a, b", b"a/b", b"http://a", b"u@a", b"a?b", b"a#b", b"a\\b", b"a:80:80", b"a:x", b"a:+80",
        b"[::1", b"::1", b"[]", b"[::1]x", b"[a b]", b"a%", b"a%2", b"b\xc3\xbccher", b"a\x00", b'"a"', b"<a>", b"a\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_old", [False, True])
def test_an_invalid_host_is_not(value: bytes, *, is_old: bool) -> None:
    assert fault_of_head([(b"host", value)], is_old=is_old) == "its Host is not valid"


@pytest.mark.parametrize("is_old", [False, True])
def test_more_than_one_host_is_not_even_the_same(*, is_old: bool) -> None:
    assert (
        fault_of_head([(b"host", b"a"), (b"x", b"y"), (b"host", b"a")], is_old=is_old)
        == "it has more than one Host or Transfer-Encoding"
    )


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([b"chunked"], ""),
        ([b"Chunked \t"], ""),
        ([b"gzip, chunked"], "not chunked"),
        ([b"identity, chunked"], "not chunked"),
        ([b"chunked, chunked"], "not chunked"),
        ([b"identity"], "not chunked"),
        ([b""], "not chunked"),
        ([b"gzip", b"chunked"], "not chunked"),
        ([b"chunked", b"chunked"], "more than one"),
    ],
)
def test_the_only_transfer_coding_is_chunked(values: list[bytes], fault: str) -> None:
    headers = [(b"host", b"a"), *((b"transfer-encoding", value) for value in values)]
    found = fault_of_head(headers, is_old=False)
    assert fault in found
    assert bool(fault) == bool(found)
    assert fault_of_head(headers, is_old=True)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET %b HTTP/1.1\r\n\r\n", 400),
        (b"GET %b HTTP/1.0\r\n\r\n", 200),
        (b"GET %b HTTP/1.1\r\nhost:\r\n\r\n", 200),
        (b"GET %b HTTP/1.1\r\nHOST: a\r\nhost: a\r\n\r\n", 400),
        (b"GET %b HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET %b HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        (b"GET %b HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 400),
        (b"GET http://a%b HTTP/1.1\r\n\r\n", 400),
        (b"GET %b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 200),
        (b"GET %b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ],
)
@pytest.mark.parametrize("path", [b"/v1/models", b"/healthz"])
async def test_a_request_without_a_valid_head_is_refused_by_an_error(head: bytes, status: int, path: bytes) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(head % path)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            if status == 400:
                assert b"\r\nconnection: close\r\n" in answer
                error = json.loads(await asyncio.wait_for(reader.read(), 10))["error"]
                assert error["code"] == "bad_http"
                assert error["message"].partition(": its ")[2] or "Host" in error["message"].partition(": it has ")[2]
        assert len(engine.received) == (status == 200 and path == b"/v1/models")


@pytest.mark.parametrize("before", [0, 2])
async def test_the_error_has_the_shape_of_the_api_and_follows_earlier_answers(before: int) -> None:
    faulty = b"POST /v1/messages HTTP/1.1\r\ncontent-length: 27\r\n\r\n" + GET[:27]
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(GET * before + faulty + GET)
            answers = await asyncio.wait_for(reader.read(), 10)
        _, _, body = answers[answers.index(b"HTTP/1.1 400 ") :].partition(b"\r\n\r\n")
        assert json.loads(body)["type"] == "error"
        assert answers.count(b"HTTP/1.1 200 ") == len(engine.received) == before
