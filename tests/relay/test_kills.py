"""The kill matrix: engine, client or metrics endpoint dies at each phase of a request, streamed and not.

Afterwards no place is lost, no request hangs, and the next session is admitted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from concur_proxy.coordination.local import LocalCoordinator
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, answer, answer_at_once, scripted_engine
from tests.http.staged_answer import COMPLETE, PHASES, StagedAnswer

RAW_STREAMING_REQUEST = b'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{"stream":true}'
streamed_and_not = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@asynccontextmanager
async def one_place(engine: ScriptedEngine) -> AsyncIterator[RunningGateway]:
    """Run a gateway that admits one session at a time. Its place is free as soon as the session is idle."""
    async with running_gateway(engine.url, law="static", law_options={"window": 1}, idle_lease=0) as gateway:
        yield gateway


async def ask(gateway: RunningGateway, session: str, *, stream: bool) -> tuple[int, str | None, bytes]:
    """Return the answer's status, reason header and body."""
    response = await gateway.chat(session, stream=stream)
    return response.status_code, response.headers.get("x-concur-reason"), response.content


async def assert_nothing_leaked(gateway: RunningGateway, engine: ScriptedEngine) -> None:
    await gateway.settled()
    engine.script = answer_at_once
    assert (await gateway.chat("next")).json() == answer()
    await gateway.settled()
    assert isinstance(gateway.app.coordinator, LocalCoordinator)
    assert len(gateway.app.coordinator.waits) == 0


@streamed_and_not
@pytest.mark.parametrize("phase", PHASES)
async def test_engine_that_dies_gives_an_error_before_its_head_and_a_broken_answer_after_it(
    *, phase: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    staged = StagedAnswer(phase=phase, stream=stream)
    async with scripted_engine(script=staged) as engine, one_place(engine) as gateway:
        asking = asyncio.create_task(ask(gateway, "a", stream=stream))
        await staged.reached.wait()
        staged.die.set()
        if phase in {"sent", "half a head"}:
            status, reason, body = await asking
            assert (status, reason) == (502, "engine_broke")
            assert b"closed the connection before it answered" in body
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await asking
            assert await gateway.metric("concur_request_failures_total", reason="engine_broke_midstream") == 1
        assert not [record for record in caplog.records if record.levelname == "ERROR"]
        await assert_nothing_leaked(gateway, engine)


@streamed_and_not
async def test_engine_that_dies_while_a_request_is_queued_fails_that_request_too_and_no_later_one(
    *, stream: bool
) -> None:
    staged = StagedAnswer(phase="mid-body", stream=stream)
    async with scripted_engine(script=staged) as engine, one_place(engine) as gateway:
        active = asyncio.create_task(ask(gateway, "a", stream=stream))
        await staged.reached.wait()
        queued = asyncio.create_task(ask(gateway, "b", stream=stream))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        port = int(engine.url.rpartition(":")[2])
        await engine.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            await active
        assert (await queued)[:2] == (502, "engine_unreachable")
        await gateway.settled()
        await engine.start(port)
        await assert_nothing_leaked(gateway, engine)


@streamed_and_not
@pytest.mark.parametrize("phase", PHASES)
async def test_client_that_leaves_is_seen_by_the_engine_at_once(*, phase: str, stream: bool) -> None:
    staged = StagedAnswer(phase=phase, stream=stream)
    async with scripted_engine(script=staged) as engine, one_place(engine) as gateway:
        asking = asyncio.create_task(ask(gateway, "a", stream=stream))
        await staged.reached.wait()
        asking.cancel()
        await asyncio.wait_for(staged.left.wait(), 30)
        await gateway.settled()
        assert gateway.snapshot().active == 0, "the place is given up at once, not at the end of a lease"
        await assert_nothing_leaked(gateway, engine)
        assert await gateway.metric("concur_request_failures_total", reason="client_gone") == 1


@streamed_and_not
async def test_client_that_leaves_while_queued_is_taken_out_of_the_line(*, stream: bool) -> None:
    staged = StagedAnswer(phase="sent", stream=False)
    async with scripted_engine(script=staged) as engine, one_place(engine) as gateway:
        active = asyncio.create_task(ask(gateway, "a", stream=False))
        await staged.reached.wait()
        queued = asyncio.create_task(ask(gateway, "b", stream=stream))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        queued.cancel()
        await gateway.until(lambda: gateway.snapshot().held == gateway.snapshot().waiting == 0)
        staged.go_on.set()
        assert (await active)[0] == 200
        await assert_nothing_leaked(gateway, engine)
        assert [request.header("x-session-id") for request in engine.received] == ["a", "next"]


async def test_client_that_leaves_within_its_request_body_is_never_admitted() -> None:
    async with scripted_engine() as engine, one_place(engine) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
        await assert_nothing_leaked(gateway, engine)
        assert len(engine.received) == 1


async def refuse_scrape(exchange: Exchange) -> None:
    await exchange.json({"detail": "gone"}, status="500 Internal Server Error")


async def hang_scrape(exchange: Exchange) -> None:
    await exchange.client_left()


async def cut_scrape(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nvllm:num_requests_run")
    exchange.die()


async def garble_scrape(exchange: Exchange) -> None:
    await exchange.json(["no", "exposition"])


@streamed_and_not
@pytest.mark.parametrize("phase", ["queued", *PHASES])
async def test_metrics_endpoint_that_dies_disturbs_no_request(*, phase: str, stream: bool) -> None:
    staged = StagedAnswer(phase="sent" if phase == "queued" else phase, stream=stream)
    settings = {"scrape_timeout_s": 0.1, "stale_after_s": 0.2, "fail_open_after_s": 0.4, "fallback_window": 1}
    async with (
        scripted_engine(script=staged) as engine,
        running_gateway(engine.url, law="static", law_options={"window": 1}, idle_lease=0, **settings) as gateway,
    ):
        asking = [asyncio.create_task(ask(gateway, "a", stream=stream))]
        await staged.reached.wait()
        if phase == "queued":
            asking.append(asyncio.create_task(gateway.chat("b")))  # type: ignore[arg-type]
            await gateway.until(lambda: gateway.snapshot().held == 1)
        monitor = gateway.app.monitors[0]
        for script in (refuse_scrape, hang_scrape, cut_scrape, garble_scrape):
            engine.metrics_script, failures = script, monitor.scrape_failures
            await gateway.until(lambda before=failures: monitor.scrape_failures > before + 1)  # type: ignore[misc]
        await gateway.until(lambda: gateway.app.monitors[0].is_stale)
        engine.script = answer_at_once
        staged.go_on.set()
        assert await asking[0] == (200, None, COMPLETE[stream])
        await asyncio.gather(*asking)
        await assert_nothing_leaked(gateway, engine)


WITHOUT_USAGE = {
    "no usage in a whole answer": (False, b'{"id":"1","choices":[]}', b"application/json"),
    "no usage in a stream": (True, COMPLETE[True], b"text/event-stream"),
    "usage that is no usage": (False, b'{"usage":{"prompt_tokens":"many"}}', b"application/json"),
    "no JSON at all": (False, b"<html>", b"application/json"),
    "an event that never ends": (True, b'data: {"usage":', b"text/event-stream"),
    "nothing": (False, b"", b"application/json"),
}


@pytest.mark.parametrize("what", WITHOUT_USAGE)
async def test_answer_without_usage_gives_its_place_up_too(what: str) -> None:
    stream, body, content_type = WITHOUT_USAGE[what]

    async def script(exchange: Exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (content_type, len(body))
        await exchange.send(head + body)

    async with scripted_engine(script=script) as engine, one_place(engine) as gateway:
        assert await ask(gateway, "a", stream=stream) == (200, None, body)
        await assert_nothing_leaked(gateway, engine)


@pytest.mark.parametrize("status", ["500 Internal Server Error", "400 Bad Request", "503 Service Unavailable"])
async def test_engine_s_error_gives_its_place_up_too(status: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "no"}}, status=status)

    async with scripted_engine(script=script) as engine, one_place(engine) as gateway:
        assert await ask(gateway, "a", stream=False) == (int(status[:3]), None, b'{"error": {"message": "no"}}')
        await assert_nothing_leaked(gateway, engine)


async def test_stream_that_the_engine_cuts_lacks_the_chunk_that_would_end_it() -> None:
    staged = StagedAnswer(phase="mid-body", stream=True)
    async with scripted_engine(script=staged) as engine, one_place(engine) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n" + b'{"stream":true}'
        )
        await staged.reached.wait()
        staged.die.set()
        seen = await reader.read()
        writer.close()
        assert b"transfer-encoding: chunked" in seen
        assert b"one" in seen
        assert not seen.endswith(b"0\r\n\r\n")
        await assert_nothing_leaked(gateway, engine)


async def test_client_that_pipelines_and_leaves_is_noticed_too() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.start_stream()
        while True:
            await exchange.chunk(b'data: {"choices":[]}\n\n')
            await asyncio.sleep(0.01)

    async with scripted_engine(script=endless) as engine, one_place(engine) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(RAW_STREAMING_REQUEST + RAW_STREAMING_REQUEST)
        await reader.readuntil(b"data:")
        writer.transport.abort()
        await gateway.until(lambda: engine.in_flight == 0)
        await assert_nothing_leaked(gateway, engine)
        assert len(engine.received) == 2, "the second was never begun"


async def test_client_that_leaves_between_admission_and_sending_leaks_nothing() -> None:
    staged = StagedAnswer(phase="sent", stream=False)
    async with scripted_engine(script=staged) as engine, one_place(engine) as gateway:
        active = asyncio.create_task(ask(gateway, "a", stream=False))
        await staged.reached.wait()
        queued = [asyncio.create_task(ask(gateway, f"q{number}", stream=False)) for number in range(20)]
        await gateway.until(lambda: gateway.snapshot().held == 20)
        engine.script = answer_at_once
        # Each place is passed to the next client while clients leave, so some are admitted at that moment.
        staged.go_on.set()
        for task in queued:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*queued, return_exceptions=True)
        assert (await active)[0] == 200
        await assert_nothing_leaked(gateway, engine)
