"""Fleets whose bodies say little about their tokens: nobody waits in front of a cache with room for all."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, answer, scripted_engine

PROMPT_TOKENS = 1_500
SESSIONS = 12
CAPACITY_TOKENS = 40_000
HYBRID_BLOCKS = 20
"""A hybrid model: 20 blocks of 16 tokens, as its metrics say, hold `CAPACITY_TOKENS`."""

Body = dict[str, object]


def _part(kind: str, size: int) -> Body:
    data = "A" * size
    parts: dict[str, Body] = {
        "image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        "image without a type": {"image_url": f"data:image/png;base64,{data}"},
        "image URL": {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        "audio": {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        "document": {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}},
    }
    return parts[kind]


async def _work(exchange: Exchange) -> None:
    await asyncio.sleep(0.2)
    await exchange.json(answer(prompt_tokens=PROMPT_TOKENS))


@asynccontextmanager
async def _fleet(**settings: object) -> AsyncIterator[tuple[ScriptedEngine, RunningGateway]]:
    async with (
        scripted_engine(script=_work, blocks=str(CAPACITY_TOKENS // 16), waiting=0) as engine,
        running_gateway(engine.url, **settings) as gateway,
    ):
        await gateway.until(lambda: gateway.snapshot().budget_tokens is not None)
        yield engine, gateway


@pytest.mark.parametrize("kind", ["image", "image without a type", "image URL", "audio", "document"])
async def test_media_beside_texts_are_all_admitted_at_once(kind: str) -> None:
    async with _fleet() as (engine, gateway):
        contents = [
            [{"type": "text", "text": f"what is {number}?"}, _part(kind, 90_000)] if number % 3 else "x" * 4_000
            for number in range(SESSIONS)
        ]
        for _ in range(2):
            answers = await asyncio.gather(
                *(
                    gateway.chat(f"s-{number}", messages=[{"role": "user", "content": content}])
                    for number, content in enumerate(contents)
                )
            )
            assert max(float(each.headers["x-concur-queue-wait-s"]) for each in answers) < 0.1
        assert engine.most_in_flight == SESSIONS


async def test_sessions_that_only_refer_to_their_history_wait_for_its_size() -> None:
    """A body of 150 bytes stands for 20,000 tokens: two such sessions fill this cache, a third one has to wait."""

    async def script(exchange: Exchange) -> None:
        body = json.loads(exchange.request.body)
        tokens = 15_000 if "previous_response_id" in body or len(body["input"]) > 1_000 else 20
        await asyncio.sleep(0.2)
        usage = {"input_tokens": tokens, "output_tokens": 5}
        name = f"resp_{exchange.request.header('x-session-id')}"
        await exchange.json({"id": name, "object": "response", "output": [], "usage": usage})

    async def respond(gateway: RunningGateway, key: str, **body: object) -> float:
        answered = await gateway.client.post(
            "/v1/responses", json={"model": "m", **body}, headers={"x-session-id": key}
        )
        return float(answered.headers["x-concur-queue-wait-s"])

    async with _fleet(work_conserving=False) as (engine, gateway):
        engine.script = script
        for key in ("a", "b"):
            await respond(gateway, key, input=key * 60_000)
        for _ in range(2):
            waits = await asyncio.gather(
                *(respond(gateway, key, input="go on", previous_response_id=f"resp_{key}") for key in ("a", "b"))
            )
            assert max(waits) < 0.1
        assert gateway.snapshot().footprint_tokens == pytest.approx(30_010, rel=0.01)
        small = await asyncio.gather(*(respond(gateway, f"small-{number}", input="hi") for number in range(5)))
        assert max(small) < 0.1
        large = await asyncio.gather(
            respond(gateway, "c", input="y" * 60_000),
            respond(gateway, "a", input="go on", previous_response_id="resp_a"),
        )
        assert large[0] > 0.15
        assert large[1] < 0.1


async def test_calls_that_generate_nothing_change_no_footprint_and_never_wait() -> None:
    async with _fleet(work_conserving=False) as (_, gateway):
        await gateway.chat("agent", messages=[{"role": "user", "content": "x" * 4_000}])
        before = gateway.snapshot()
        for path in ("/v1/messages/count_tokens", "/tokenize"):
            body = {"model": "m", "messages": [{"role": "user", "content": "y" * 400_000}], "prompt": "z"}
            headers = {"x-session-id": "agent", "x-claude-code-session-id": "agent"}
            async with asyncio.timeout(5):
                assert (await gateway.client.post(path, json=body, headers=headers)).status_code == 200
        after = gateway.snapshot()
        assert (after.footprint_tokens, after.active, after.answered_tokens) == (
            before.footprint_tokens,
            before.active,
            before.answered_tokens,
        )


@pytest.mark.parametrize("settings", [{}, {"capacity_tokens": (str(CAPACITY_TOKENS),)}], ids=["learned", "by hand"])
async def test_a_hybrid_model_whose_blocks_hold_more_than_they_say(settings: Body) -> None:
    async with _fleet(**settings) as (engine, gateway):
        engine.blocks = str(HYBRID_BLOCKS)

        async def script(exchange: Exchange) -> None:
            engine.queries += PROMPT_TOKENS
            engine.running = engine.in_flight
            engine.usage = engine.in_flight * PROMPT_TOKENS / CAPACITY_TOKENS
            await _work(exchange)
            engine.running = engine.in_flight - 1
            engine.usage = engine.running * PROMPT_TOKENS / CAPACITY_TOKENS

        engine.script = script
        engine.usage, engine.running = 0.0, 0
        for _ in range(3):
            answers = await asyncio.gather(*(gateway.chat(f"s-{number}") for number in range(SESSIONS)))
            assert {each.status_code for each in answers} == {200}
        assert await gateway.metric("concur_engine_capacity_tokens") == pytest.approx(CAPACITY_TOKENS, rel=0.25)
        assert engine.most_in_flight == SESSIONS
