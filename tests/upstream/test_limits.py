"""Answers that never end, requests that an engine reads slowly, and engines that are silent."""

import asyncio

import pytest

from concur_proxy.upstream.client import Upstream
from concur_proxy.upstream.failures import EngineBroke, EngineTimedOut
from concur_proxy.upstream.reading import MAX_BUFFERED_BYTES
from tests.upstream.raw_engine import CHUNKED, OK, Engine, Serve, body_of, both_loops, get, then_wait

INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
PART = b"1\r\na\r\n"


@pytest.mark.parametrize("flood", [b"x-a: b\r\n" * 1000, b"x" * 4096, INTERIM * 100], ids=["fields", "name", "interim"])
@both_loops
async def test_a_head_without_end_is_no_answer(upstream: Upstream, serve: Serve, flood: bytes) -> None:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"" if flood.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(flood)
            await writer.drain()

    _, url = await serve(answer)
    with pytest.raises(EngineBroke, match="head exceeds"):
        await get(upstream, url)


@both_loops
async def test_trailers_without_end_break_the_answer(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(then_wait(CHUNKED + PART + b"0\r\n" + b"x-a: b\r\n" * 20_000))
    with pytest.raises(EngineBroke) as broke:
        await get(upstream, url)
    assert broke.value.answered


@both_loops
async def test_a_long_chunk_extension_does_not_stop_an_answer(upstream: Upstream, serve: Serve) -> None:
    extension = b"1;" + b"e" * (4 * MAX_BUFFERED_BYTES) + b"\r\nb\r\n0\r\n\r\n"
    _, url = await serve(CHUNKED + PART + extension)
    async with asyncio.timeout(10):
        assert (await get(upstream, url))[2] == b"ab"


@pytest.mark.parametrize("in_pieces", [False, True])
@both_loops
async def test_a_large_body_arrives_whole_at_an_engine_that_reads_slowly(
    upstream: Upstream, serve: Serve, *, in_pieces: bool
) -> None:
    async def answer(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = 0
        while read < len(body):
            part = await reader.read(1 << 20)
            assert part == body[read : read + len(part)]
            read += len(part)
            await asyncio.sleep(0.001)
        writer.write(OK)

    body = bytes(range(256)) * 40_000
    _, url = await serve(answer)
    for _ in range(2):
        sent = (body[:1000], memoryview(body)[1000:]) if in_pieces else body
        assert await body_of(await upstream.send(url, "POST", b"/", [], sent)) == b"ok"


@both_loops
async def test_an_engine_that_does_not_begin_its_answer_is_timed_out(upstream: Upstream, serve: Serve) -> None:
    engine, url = await serve(then_wait(b"HTTP/1.1 200 OK\r\n"))
    with pytest.raises(EngineTimedOut, match=r"no answer within 0\.05 s") as timed_out:
        await get(Upstream(first_byte_timeout_s=0.05), url)
    assert not timed_out.value.answered
    await engine.gone.wait()


@both_loops
async def test_an_engine_that_reads_no_request_is_timed_out(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(then_wait(b""))
    with pytest.raises(EngineTimedOut):
        await Upstream(first_byte_timeout_s=0.05).send(url, "POST", b"/", [], bytes(32_000_000))


@both_loops
async def test_a_pause_in_an_answer_is_timed_out_and_a_slow_answer_is_not(upstream: Upstream, serve: Serve) -> None:
    async def slow(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        for _ in range(8):
            writer.write(PART)
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")

    impatient = Upstream(idle_timeout_s=0.3)
    _, url = await serve(slow)
    assert (await get(impatient, url))[2] == b"a" * 8
    engine, url = await serve(then_wait(CHUNKED + PART))
    with pytest.raises(EngineTimedOut, match=r"silent for 0\.3 s") as timed_out:
        await get(impatient, url)
    assert timed_out.value.answered
    await engine.gone.wait()
    await impatient.close()
