"""Comments that keep the connection of a waiting stream alive, and what may follow them."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, Script, ScriptedEngine, answer, answers, scripted_engine
from tests.http.staged_answer import COMPLETE, StagedAnswer

STREAMS = {"stream": True, "messages": []}


@asynccontextmanager
async def one_busy_place(**settings: object) -> AsyncIterator[tuple[ScriptedEngine, RunningGateway, asyncio.Event]]:
    """Run a gateway whose only place is taken until the event is set."""
    staged = StagedAnswer(phase="sent", stream=False)
    options = {"law_options": {"window": 1}, "idle_lease": 0, "keepalive_comments_s": 0.05, **settings}
    async with (
        scripted_engine(script=staged) as engine,
        running_gateway(engine.url, law="static", **options) as gateway,
    ):
        busy = asyncio.create_task(gateway.chat("busy"))
        await staged.reached.wait()
        yield engine, gateway, staged.go_on
        staged.go_on.set()
        await busy


async def held(gateway: RunningGateway, path: str = "/v1/chat/completions") -> tuple[asyncio.Task[bytes], list[bytes]]:
    """Send a streaming request that has to wait. Yields its first comment and the chunks that follow."""
    chunks: list[bytes] = []

    async def ask() -> bytes:
        async with gateway.client.stream("POST", path, json=STREAMS) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            async for chunk in response.aiter_raw():
                chunks.append(chunk)  # noqa: PERF401 - looked at while they come
        return b"".join(chunks)

    asking = asyncio.create_task(ask())
    await gateway.until(lambda: bool(chunks))
    return asking, chunks


def after_comments(body: bytes) -> bytes:
    events = body.split(b"\n\n")
    while events and events[0].startswith((b":", b"event: ping")):
        del events[0]
    return b"\n\n".join(events)


async def test_a_held_stream_is_told_its_place_and_then_gets_the_engine_s_stream() -> None:
    async with one_busy_place() as (engine, gateway, free):
        first, chunks = await held(gateway)
        assert chunks[0] == b": concur-proxy position=1 expected_wait_s=5\n\n"
        second, chunks = await held(gateway)
        assert chunks[0] == b": concur-proxy position=2 expected_wait_s=10\n\n"
        stream = StagedAnswer(phase="sent", stream=True)
        stream.go_on.set()
        engine.script = stream
        free.set()
        bodies = await asyncio.gather(first, second)
        assert {after_comments(body) for body in bodies} == {COMPLETE[True]}


async def test_comments_go_on_until_the_place_is_free() -> None:
    async with one_busy_place() as (_, gateway, free):
        asking, chunks = await held(gateway)
        await gateway.until(lambda: len(chunks) >= 3)
        free.set()
        assert (await asking).count(b": concur-proxy position=1") >= 3


async def test_a_request_that_is_no_stream_gets_no_comment() -> None:
    async with one_busy_place() as (_, gateway, free):
        asking = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        stream, chunks = await held(gateway)
        await gateway.until(lambda: len(chunks) >= 2)
        free.set()
        assert (await asking).json() == answer()
        await stream


ERRORS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "/v1/chat/completions": (b"data: ", {"type": "rate_limit_error", "code": "hold_timeout"}),
    "/v1/responses": (b"event: error\ndata: ", {"type": "rate_limit_error", "code": "hold_timeout"}),
    "/v1/messages": (b"event: error\ndata: ", {"type": "rate_limit_error"}),
}


@pytest.mark.parametrize("path", ERRORS)
async def test_a_hold_that_ends_after_a_comment_is_an_error_event(path: str) -> None:
    beginning, expected = ERRORS[path]
    async with one_busy_place(max_hold_s=0.2) as (_, gateway, _):
        asking, _ = await held(gateway, path)
        event = after_comments(await asking)
        assert event.startswith(beginning)
        error = json.loads(event.removeprefix(beginning))["error"]
        assert {name: error[name] for name in expected} == expected
        assert gateway.snapshot().held == 0
        assert await gateway.metric("concur_request_failures_total", reason="hold_timeout") == 1


ENGINE_ERRORS: dict[str, tuple[Script, dict[str, Any]]] = {
    "nested": (answers("400 Bad Request", b'{"error":{"message":"too long"}}'), {"message": "too long"}),
    "flat": (answers("400 Bad Request", b'{"message":"too long"}'), {"message": "too long", "code": 400}),
    "text": (answers("500 Oops", b"it\nbroke"), {"message": "it\nbroke", "code": 500}),
    "empty": (answers("500 Oops", b""), {"message": "the inference engine answered 500", "code": 500}),
}


@pytest.mark.parametrize("what", ENGINE_ERRORS)
async def test_an_engine_s_error_after_a_comment_is_an_error_event(what: str) -> None:
    script, expected = ENGINE_ERRORS[what]
    async with one_busy_place() as (engine, gateway, free):
        asking, _ = await held(gateway)
        engine.script = script
        free.set()
        event = after_comments(await asking)
        assert event.startswith(b"data: ")
        assert json.loads(event.removeprefix(b"data: ")) == {"error": expected}


async def test_an_engine_that_dies_after_a_comment_before_its_answer_is_an_error_event() -> None:
    async def die(exchange: Exchange) -> None:
        exchange.die()

    async with one_busy_place() as (engine, gateway, free):
        asking, _ = await held(gateway)
        engine.script = die
        free.set()
        assert b'"code":"engine_broke"' in after_comments(await asking)


async def test_a_stream_begun_by_a_comment_is_not_asked_for_in_compressed_form() -> None:
    async def compressing(exchange: Exchange) -> None:
        body = b"data: [DONE]\n\n"
        coding = b""
        if "gzip" in (exchange.request.header("accept-encoding") or ""):
            body, coding = gzip.compress(body), b"content-encoding: gzip\r\n"
        await answers("200 OK", body, b"content-type: text/event-stream\r\n" + coding)(exchange)

    async with one_busy_place() as (engine, gateway, free):
        asking, _ = await held(gateway)
        engine.script = compressing
        free.set()
        assert after_comments(await asking) == b"data: [DONE]\n\n"
        straight = await gateway.chat("c", stream=True)
        assert straight.headers["content-encoding"] == "gzip"


async def test_a_client_that_leaves_after_a_comment_leaves_the_line() -> None:
    async with one_busy_place() as (engine, gateway, _):
        asking, _ = await held(gateway)
        asking.cancel()
        await gateway.until(lambda: gateway.snapshot().held == 0)
        assert len(engine.received) == 1
