"""The OpenAI and Anthropic SDKs through the gateway: they retry, raise and stream as they would without it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionUserMessageParam

from concur_proxy.recognition.tenants import split_name
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, answer_at_once, scripted_engine
from tests.http.staged_answer import StagedAnswer

CHAT: ChatCompletionUserMessageParam = {"role": "user", "content": "hi"}
MESSAGE: MessageParam = {"role": "user", "content": "hi"}
CHAT_EVENTS = [
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % word
    for word in (b"one", b"two")
]
MESSAGE_EVENTS = [
    b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())
    for event in (
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "usage": {"input_tokens": 9, "output_tokens": 0},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    )
]


async def stream(exchange: Exchange) -> None:
    """Send a stream in the shape of the called API."""
    is_messages = exchange.request.target == "/v1/messages"
    await exchange.start_stream()
    for event in MESSAGE_EVENTS if is_messages else [*CHAT_EVENTS, b"data: [DONE]\n\n"]:
        await exchange.chunk(event)
    await exchange.chunk(b"")


@asynccontextmanager
async def busy_gateway(**settings: object) -> AsyncIterator[tuple[ScriptedEngine, RunningGateway, asyncio.Event]]:
    """Run a gateway whose only place is taken until the event is set."""
    staged = StagedAnswer(phase="sent", stream=False)
    options = {"law_options": {"window": 1}, "idle_lease": 0, **settings}
    async with (
        scripted_engine(script=staged) as engine,
        running_gateway(engine.url, law="static", **options) as gateway,
    ):
        busy = asyncio.create_task(gateway.chat("busy"))
        await staged.reached.wait()
        yield engine, gateway, staged.go_on
        staged.go_on.set()
        await busy


def openai_client(gateway: RunningGateway, retries: int = 0) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="k", base_url=f"{gateway.url}/v1", max_retries=retries, timeout=60)


def anthropic_client(gateway: RunningGateway, retries: int = 0) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key="k", base_url=gateway.url, max_retries=retries, timeout=60)


async def test_openai_waits_as_told_after_a_429_and_then_gets_its_answer() -> None:
    async with busy_gateway() as (engine, gateway, free), openai_client(gateway, retries=1) as client:
        line = [asyncio.create_task(gateway.chat(f"s{number}")) for number in range(3)]
        await gateway.until(lambda: gateway.snapshot().held == 3)
        free.set()
        await asyncio.gather(*line)
        # The line has moved quickly, so the gateway asks for the shortest delay: one second.
        engine.script = staged = StagedAnswer(phase="sent", stream=False)
        busy = asyncio.create_task(gateway.chat("busy again"))
        await staged.reached.wait()
        began = time.monotonic()
        asking = asyncio.create_task(
            client.chat.completions.create(
                model="m", messages=[CHAT], extra_headers={"x-stainless-read-timeout": "0.1"}
            )
        )
        await gateway.until(
            lambda: gateway.app.coordinator.fleet.gates[engine.url].counters["refuse", "hold_timeout"] == 1
        )
        engine.script = answer_at_once
        staged.go_on.set()
        await busy
        completion = await asking
        assert completion.choices[0].message.content == "hello"
        assert time.monotonic() - began >= 1, "the SDK's own first delay is under a second"


async def test_openai_raises_its_rate_limit_error_with_the_reason() -> None:
    async with busy_gateway(max_hold_s=0.1) as (_, gateway, _), openai_client(gateway) as client:
        with pytest.raises(openai.RateLimitError, match="The session was not admitted") as caught:
            await client.chat.completions.create(model="m", messages=[CHAT])
        assert caught.value.code == "hold_timeout"
        assert caught.value.response.headers["x-concur-reason"] == "hold_timeout"


async def test_anthropic_raises_its_rate_limit_error_with_the_reason() -> None:
    async with busy_gateway(max_hold_s=0.1) as (_, gateway, _), anthropic_client(gateway) as client:
        with pytest.raises(anthropic.RateLimitError, match="The session was not admitted") as caught:
            await client.messages.create(model="m", max_tokens=8, messages=[MESSAGE])
        assert caught.value.type == "rate_limit_error"


async def test_an_engine_that_is_down_is_a_server_error_in_both() -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        async with openai_client(gateway) as client:
            with pytest.raises(openai.InternalServerError, match="could not be reached") as caught:
                await client.chat.completions.create(model="m", messages=[CHAT])
            assert (caught.value.status_code, caught.value.code) == (502, "engine_unreachable")
        async with anthropic_client(gateway) as other:
            with pytest.raises(anthropic.InternalServerError, match="could not be reached") as also:
                await other.messages.create(model="m", max_tokens=8, messages=[MESSAGE])
            assert also.value.type == "api_error"


async def test_an_engine_s_own_error_reaches_the_sdk_as_it_was() -> None:
    async def refuse(exchange: Exchange) -> None:
        error = {"message": "too long", "type": "BadRequestError", "param": "input", "code": 400}
        await exchange.json({"error": error}, status="400 Bad Request")

    async with (
        scripted_engine(script=refuse) as engine,
        running_gateway(engine.url) as gateway,
        openai_client(gateway) as client,
    ):
        with pytest.raises(openai.BadRequestError, match="too long") as caught:
            await client.chat.completions.create(model="m", messages=[CHAT])
        assert caught.value.param == "input"


@pytest.mark.parametrize("comments", [False, True], ids=["at once", "after keep-alive comments"])
async def test_openai_streams(*, comments: bool) -> None:
    async with busy_gateway(keepalive_comments_s=0.05) as (engine, gateway, free), openai_client(gateway) as client:
        asking = asyncio.create_task(client.chat.completions.create(model="m", messages=[CHAT], stream=True))
        if comments:
            await asking  # the headers have come, so a comment has been sent
        engine.script = stream
        free.set()
        words = [chunk.choices[0].delta.content async for chunk in await asking]
        assert words == ["one", "two"]


@pytest.mark.parametrize("comments", [False, True], ids=["at once", "after keep-alive comments"])
async def test_anthropic_streams(*, comments: bool) -> None:
    async with busy_gateway(keepalive_comments_s=0.05) as (engine, gateway, free), anthropic_client(gateway) as client:
        asking = asyncio.create_task(client.messages.create(model="m", max_tokens=8, messages=[MESSAGE], stream=True))
        if comments:
            await asking
        engine.script = stream
        free.set()
        kinds = [event.type async for event in await asking]
        assert (kinds[0], kinds[-1], len(kinds)) == ("message_start", "message_stop", len(MESSAGE_EVENTS))


async def test_openai_s_helper_builds_the_same_answer_after_empty_chunks() -> None:
    settings = {"keepalive_comments_s": 0.05, "keepalive_chunks": True}
    async with busy_gateway(**settings) as (engine, gateway, free), openai_client(gateway) as client:
        async with client.chat.completions.stream(model="m", messages=[CHAT]) as events:
            first = await anext(aiter(events))
            assert first.type == "chunk"
            assert first.chunk.choices[0].delta.content is None
            engine.script = stream
            free.set()
            completion = await events.get_final_completion()
        message = completion.choices[0].message
        assert (message.content, completion.model) == ("onetwo", "m")


async def test_anthropic_s_helper_builds_the_same_answer_after_pings() -> None:
    async with busy_gateway(keepalive_comments_s=0.05) as (engine, gateway, free), anthropic_client(gateway) as client:
        async with client.messages.stream(model="m", max_tokens=8, messages=[MESSAGE]) as events:
            engine.script = stream  # the headers have come, so a ping has been sent
            free.set()
            message = await events.get_final_message()
        assert [block.text for block in message.content if block.type == "text"] == ["one"]


async def test_a_hold_that_ends_after_comments_raises_in_both() -> None:
    async with busy_gateway(keepalive_comments_s=0.05, max_hold_s=0.3) as (_, gateway, _):
        async with openai_client(gateway) as client:
            chunks = await client.chat.completions.create(model="m", messages=[CHAT], stream=True)
            with pytest.raises(openai.APIError, match="The session was not admitted"):
                await anext(chunks)
        async with anthropic_client(gateway) as other:
            events = await other.messages.create(model="m", max_tokens=8, messages=[MESSAGE], stream=True)
            with pytest.raises(anthropic.APIStatusError, match="The session was not admitted"):
                await anext(aiter(events))


async def test_a_stream_that_the_engine_breaks_raises_in_both() -> None:
    async def break_off(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(MESSAGE_EVENTS[0] if exchange.request.target == "/v1/messages" else CHAT_EVENTS[0])
        exchange.die()

    async with scripted_engine(script=break_off) as engine, running_gateway(engine.url) as gateway:
        async with openai_client(gateway) as client:
            chunks = await client.chat.completions.create(model="m", messages=[CHAT], stream=True)
            assert (await anext(chunks)).choices[0].delta.content == "one"
            with pytest.raises(openai.APIConnectionError):
                await anext(chunks)
        async with anthropic_client(gateway) as other:
            events = aiter(await other.messages.create(model="m", max_tokens=8, messages=[MESSAGE], stream=True))
            assert (await anext(events)).type == "message_start"
            # This SDK raises the error of its HTTP client.
            with pytest.raises(Exception, match="peer closed connection"):
                await anext(events)


async def test_sessions_are_named_by_the_sdks_own_means() -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url) as gateway,
        openai_client(gateway) as client,
    ):
        await client.chat.completions.create(
            model="m",
            messages=[CHAT],
            extra_headers={"x-session-id": "header"},
        )
        await client.chat.completions.create(model="m", messages=[CHAT], metadata={"session_id": "field"})
        await client.chat.completions.create(model="m", messages=[CHAT], extra_body={"program_id": "extra"})
        keys = [split_name(session.key)[1] for session in gateway.app.coordinator.fleet.gates[engine.url].sessions]
        assert keys == ["header", "field", "extra"]
