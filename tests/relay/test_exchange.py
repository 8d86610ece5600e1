"""Requests through the real gateway, with an engine that each test scripts."""

import asyncio
import gzip
import json

import httpx
import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.chain import Chain
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer, answers, scripted_engine


async def test_an_answer_passes_and_its_usage_is_counted() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, law="static") as gateway:
        response = await gateway.chat("a")
        assert response.json() == answer()
        snapshot = gateway.snapshot()
        assert (snapshot.active, snapshot.in_flight, snapshot.footprint_tokens) == (1, 0, 15)


async def test_an_arrival_has_the_chain_of_its_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    chains: list[Chain | None] = []
    async with scripted_engine() as engine, running_gateway(engine.url, law="static") as gateway:
        coordinator = gateway.app.coordinator
        arrive = coordinator.arrive

        def seen(arrival: Arrival) -> Ticket:
            chains.append(arrival.chain)
            return arrive(arrival)

        monkeypatch.setattr(coordinator, "arrive", seen)
        message = {"role": "user", "content": "x"}
        for body in ({"messages": [message]}, {"messages": [message, message]}, {}):
            await gateway.client.post("/v1/chat/completions", json={"model": "m", **body})
    first, second, without = chains
    assert first is not None
    assert second is not None
    assert (len(first), len(second), without) == (1, 2, None)
    assert second.hashes.startswith(first.hashes)


async def test_a_session_over_the_window_waits_for_a_place_and_then_goes_on() -> None:
    free = asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        await free.wait()
        await exchange.json(answer())

    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, law="static", law_options={"window": 1}, idle_lease=0) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        second = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().waiting == 1)
        assert engine.in_flight == 1
        free.set()
        assert (await first).status_code == (await second).status_code == httpx.codes.OK
        assert engine.most_in_flight == 1


async def test_a_stream_passes_chunk_by_chunk() -> None:
    proceed = asyncio.Event()

    async def stream(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n')
        await proceed.wait()
        await exchange.chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
        await exchange.chunk(b"")

    async with scripted_engine(script=stream) as engine, running_gateway(engine.url) as gateway:
        body = {"model": "m", "messages": [], "stream": True}
        proceed.set()
        await gateway.client.post("/v1/chat/completions", json=body)
        assert "stream_options" not in json.loads(engine.received[0].body)
        proceed.clear()
        async with gateway.client.stream("POST", "/v1/chat/completions", json=body) as response:
            chunks = response.aiter_raw()
            assert b"one" in await anext(chunks)
            proceed.set()
            assert b"stop" in await anext(chunks)
        assert json.loads(engine.received[1].body)["stream_options"] == {"include_usage": True}


async def test_a_stream_that_an_event_shall_be_taken_out_of_is_not_asked_for_in_compressed_form() -> None:
    ending = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'

    async def compressing(exchange: Exchange) -> None:
        body, coding = ending + (usage if b"include_usage" in exchange.request.body else b""), b""
        if "gzip" in (exchange.request.header("accept-encoding") or ""):
            body, coding = gzip.compress(body), b"content-encoding: gzip\r\n"
        await answers("200 OK", body, b"content-type: text/event-stream\r\n" + coding)(exchange)

    async with (
        scripted_engine(script=answers("200 OK", ending, b"content-type: text/event-stream\r\n")) as engine,
        running_gateway(engine.url) as gateway,
    ):
        await gateway.chat("a", stream=True)
        engine.script = compressing
        assert (await gateway.chat("a", stream=True)).content == ending
        untouched = await gateway.chat("a", stream=True, stream_options={"include_usage": True})
        assert untouched.headers["content-encoding"] == "gzip"
        assert untouched.content == ending + usage


CHAT_END = {
    "choices": [],
    "usage": {"prompt_tokens": 900, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 0}},
}
RESPONSE_END = {
    "type": "response.completed",
    "response": {"usage": {"input_tokens": 900, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 0}}},
}


@pytest.mark.parametrize(
    ("path", "before", "token", "end"),
    [
        (
            "/v1/chat/completions",
            b': queued\n\ndata: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
            b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n',
            CHAT_END,
        ),
        (
            "/v1/responses",
            b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1"}}\n\n',
            b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"one"}\n\n',
            RESPONSE_END,
        ),
    ],
)
async def test_the_first_token_tells_how_fast_the_engine_prefills_and_what_comes_before_it_does_not(
    path: str, before: bytes, token: bytes, end: object
) -> None:
    delay_s, prompt_tokens = 0.3, 900

    async def stream(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(before)
        await asyncio.sleep(delay_s)
        await exchange.chunk(token)
        await exchange.chunk(b"data: " + json.dumps(end).encode() + b"\n\n")
        await exchange.chunk(b"")

    async with scripted_engine(script=stream) as engine, running_gateway(engine.url) as gateway:
        body = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
        for _ in range(2):
            await gateway.client.post(path, json=body)
        speed = gateway.snapshot().prefill_tokens_s
        assert speed is not None
        assert 0 < speed <= prompt_tokens / delay_s
        assert await gateway.metric("concur_time_to_first_token_seconds_sum", model="other") >= 2 * delay_s
