"""Requests that the engine refuses, with the real gateway: they hold no place, and nothing is learned from them."""

import asyncio

import pytest

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, answer, answers, scripted_engine

ONE_PLACE = {"law": "static", "law_options": {"window": 1}, "work_conserving": False, "idle_lease": 3600}

REFUSALS = [
    ("400 Bad Request", b'{"error":{"message":"maximum context length exceeded"},"usage":{"prompt_tokens":9000}}'),
    ("401 Unauthorized", b'{"error":"Unauthorized"}'),
    ("403 Forbidden", b""),
    ("404 Not Found", b'{"error":{"message":"The model `x` does not exist."}}'),
    ("422 Unprocessable Entity", b"{}"),
]


def _places(gateway: RunningGateway) -> tuple[int, int]:
    now = gateway.snapshot()
    return now.active, now.waiting


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_a_refused_session_holds_no_place(status: str, body: bytes) -> None:
    script = answers(status, body, b"content-type: application/json\r\n")
    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **ONE_PLACE) as gateway:
        for number in range(3):
            response = await gateway.chat(f"stranger-{number}")
            assert (response.status_code, response.content) == (int(status[:3]), body)
        await gateway.settled()
        assert _places(gateway) == (0, 0)
        engine.script = _accept
        async with asyncio.timeout(5):
            assert (await gateway.chat("alice")).status_code == 200
            assert (await gateway.chat("alice")).status_code == 200
        assert _places(gateway) == (1, 0)
        assert gateway.snapshot().answered_tokens == 30
        assert await gateway.metric("concur_ended_sessions_total", reason="refused") == 3


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_a_session_keeps_its_place_if_the_engine_is_overloaded(status: str) -> None:
    script = answers(status, b"{}")
    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **ONE_PLACE) as gateway:
        await gateway.chat("alice")
        await gateway.settled()
        assert _places(gateway) == (1, 0)


async def _accept(exchange: Exchange) -> None:
    await exchange.json(answer())
