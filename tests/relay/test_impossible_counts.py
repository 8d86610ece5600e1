"""Answers whose token counts cannot be true pass unchanged, and change nothing for other sessions."""

import asyncio

import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer_at_once, scripted_engine

COUNTS = [
    '{"prompt_tokens":99999999999999999999,"completion_tokens":1}',
    '{"prompt_tokens":100,"completion_tokens":99999999999999999999}',
    '{"prompt_tokens":-5,"completion_tokens":1}',
    '{"prompt_tokens":"100","completion_tokens":1}',
    '{"prompt_tokens":100.5,"completion_tokens":1}',
    '{"prompt_tokens":true,"completion_tokens":1}',
    '{"prompt_tokens":NaN,"completion_tokens":1}',
    '{"prompt_tokens":1e400,"completion_tokens":1}',
]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("counts", COUNTS)
async def test_one_impossible_count_harms_nobody(counts: str, *, is_stream: bool) -> None:
    sent = b""

    async def absurd(exchange: Exchange) -> None:
        nonlocal sent
        if is_stream:
            choice = '{"index":0,"delta":{},"finish_reason":"stop"}'
            sent = f'data: {{"choices":[{choice}],"usage":{counts}}}\n\n'.encode()
            await exchange.start_stream()
            await exchange.chunk(sent)
            await exchange.chunk(b"")
        else:
            sent = f'{{"choices":[],"usage":{counts}}}'.encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(sent)}\r\n\r\n"
            await exchange.send(head.encode() + sent)

    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.until(lambda: gateway.app.monitors[0].rates is not None)
        await asyncio.gather(*(gateway.chat(f"before-{number}") for number in range(5)))
        before = gateway.snapshot().footprint_tokens
        engine.script = absurd
        answer = await gateway.chat("absurd", stream=is_stream)
        assert answer.content == sent
        assert await gateway.metric("concur_usage_dropped_total") == 1
        engine.script = answer_at_once
        answers = await asyncio.gather(*(gateway.chat(f"after-{number}") for number in range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert max(float(answer.headers["x-concur-queue-wait-s"]) for answer in answers) < 0.5
        assert gateway.snapshot().footprint_tokens < before + 13 * 100
