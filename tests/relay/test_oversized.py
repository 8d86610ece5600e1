"""Requests that do not fit into the engine's cache, with the real gateway: each of them blocks only itself."""

import asyncio
from typing import Any

import pytest

from concur_proxy.admission.gate import SessionGate
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, answer, scripted_engine, sessions

WINDOW = 14_400.0
"""0.9 of the cache of a scripted engine, which has 1,000 blocks of 16 tokens."""
KEPT = {"idle_lease": 3600}
MODEL_LIMIT = 2_000


class Busy:
    """An engine's script: an agent has a long context, a prompt beyond the cache is refused, and the rest is short."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.holds = False

    async def __call__(self, exchange: Exchange) -> None:
        if len(exchange.request.body) > 100_000:
            if self.holds:
                await self.open.wait()
            message = "This model's maximum context length is 16000 tokens."
            await exchange.json({"error": {"message": message}}, status="400 Bad Request")
        else:
            is_agent = exchange.request.header("x-session-id") == "agent"
            await exchange.json(answer(prompt_tokens=9_000 if is_agent else 10))


async def start(gateway: RunningGateway) -> None:
    """Let the law know the cache, and an agent fill most of the window."""
    await gateway.until(lambda: gateway.snapshot().budget_tokens == WINDOW)
    await gateway.chat("agent")
    assert gateway.snapshot().footprint_tokens > WINDOW / 2


def words(bytes_: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "y" * bytes_}]}


async def test_a_newcomer_does_not_wait_for_a_request_that_cannot_fit() -> None:
    script = Busy()
    script.holds = True
    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **KEPT) as gateway:
        await start(gateway)
        big = [asyncio.create_task(gateway.chat(f"big-{number}", **words(2_000_000))) for number in range(2)]
        await gateway.until(lambda: gateway.snapshot().waiting == 1, "one at the engine, one waits")
        async with asyncio.timeout(5):
            assert (await gateway.chat("small")).status_code == 200
        scrapes = engine.scrapes
        await gateway.until(lambda: engine.scrapes >= scrapes + 5)
        assert gateway.snapshot().budget_tokens == WINDOW, "the window is not raised for them"
        script.open.set()
        for response in await asyncio.gather(*big):
            assert response.status_code == 400
            assert "maximum context length" in response.text
        await gateway.settled()
        assert {each.key for each in _gate(gateway).sessions} == {"agent", "small"}


async def test_newcomers_pass_a_request_that_needs_most_of_the_window() -> None:
    async with scripted_engine(script=Busy()) as engine, running_gateway(engine.url, **KEPT) as gateway:
        await start(gateway)
        big = asyncio.create_task(gateway.chat("big", **words(25_000)))
        await gateway.until(lambda: gateway.snapshot().apart == 1)
        async with asyncio.timeout(5):
            assert (await gateway.chat("small")).status_code == 200
        scrapes = engine.scrapes
        await gateway.until(lambda: engine.scrapes >= scrapes + 5)
        assert gateway.snapshot().budget_tokens == WINDOW
        assert "big" not in sessions(engine)
        for other in ("agent", "small"):
            await gateway.client.post("/concur/v1/sessions/release", json={"session_id": other})
        async with asyncio.timeout(5):
            assert (await big).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_what_certainly_exceeds_the_context_is_refused_in_the_shape_of_the_api(path: str) -> None:
    limited = {"models": ("m",), "max_model_len": MODEL_LIMIT}
    async with scripted_engine(**limited) as engine, running_gateway(engine.url) as gateway:
        accounts = _gate(gateway).accounts
        await gateway.until(lambda: accounts.most_tokens == MODEL_LIMIT)
        response = await gateway.client.post(path, json={"model": "m", "max_tokens": 9, **words(400_000)})
        assert response.status_code == 400
        assert response.headers["x-concur-reason"] == "context_length_exceeded"
        assert response.headers["x-should-retry"] == "false"
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert engine.received == []
        assert (gateway.snapshot().active, gateway.snapshot().waiting) == (0, 0)


def _gate(gateway: RunningGateway) -> SessionGate:
    return gateway.app.coordinator.fleet.gates[gateway.app.monitors[0].engine]
