import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import openai
import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.server import EngineServer
from tests.real_engine.ways import Way, until

LONG = {"model": "tiny", "messages": [{"role": "user", "content": "go on"}], "max_tokens": 3900, "ignore_eos": True}
SMALL_TOKENS, LARGE_TOKENS = 5120, 7168
SHORT = {**LONG, "max_tokens": 4}


@pytest.fixture
def mortal(tiny: Callable[..., EngineServer]) -> Iterator[EngineServer]:
    """A server for this test alone."""
    with tiny(capacity_tokens=SMALL_TOKENS) as server:
        yield server


async def test_a_killed_engine_breaks_its_answers_and_serves_again_once_restarted(mortal: EngineServer) -> None:
    flags = ("--stale-after-s", "1", "--law", "static", "--set", "window=1", "--no-work-conserving")
    with gateway(mortal.url, *flags) as url, closing(Way(url)) as way:
        assert way.http.post("/v1/chat/completions", json=SHORT).status_code == 200
        await until(lambda: way.series.read("concur_engine_capacity_tokens") == SMALL_TOKENS, "the capacity is known")
        await break_a_stream(way, mortal)

        answer = way.http.post("/v1/chat/completions", json=SHORT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_unreachable")
        with pytest.raises(openai.InternalServerError):
            way.openai.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "there?"}])
        await until(lambda: way.http.get("/readyz").status_code == 503, "the gateway is not ready")
        assert way.series.read("concur_in_flight_requests") == way.series.read("concur_held_requests") == 0

        mortal.capacity_tokens = LARGE_TOKENS
        mortal.start()
        await until(lambda: way.http.get("/readyz").status_code == 200, "the gateway is ready again")
        capacity = "concur_engine_capacity_tokens"
        await until(lambda: way.series.read(capacity) == LARGE_TOKENS, "the new capacity is known")
        assert way.http.post("/v1/chat/completions", json=SHORT).json()["usage"]["completion_tokens"] == 4
        assert way.series.read("concur_engine_restarts_total") == 1


async def break_a_stream(way: Way, server: EngineServer) -> None:
    """Kill the server while one client reads a stream and another one waits. Both must get an error."""
    async with httpx.AsyncClient(base_url=way.url, timeout=60, trust_env=False) as client:
        begun = asyncio.Event()
        streaming = asyncio.create_task(read_stream(client, begun))
        await begun.wait()
        held = asyncio.create_task(client.post("/v1/chat/completions", json=SHORT))
        await until(lambda: way.series.read("concur_held_requests") == 1, "another request is held")
        server.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            await streaming
        assert (await held).status_code == 502


async def read_stream(client: httpx.AsyncClient, begun: asyncio.Event) -> None:
    async with client.stream("POST", "/v1/chat/completions", json={**LONG, "stream": True}) as response:
        async for _ in response.aiter_bytes():
            begun.set()
