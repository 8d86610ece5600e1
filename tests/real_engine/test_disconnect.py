import asyncio
import contextlib

import httpx
import pytest

from tests.real_engine.server import EngineServer
from tests.real_engine.ways import Way, until

TOKENS = 3900
"""An answer of so many tokens takes far longer than the engine needs to notice that the client has left."""
CHAT = {"messages": [{"role": "user", "content": "go on"}], "max_tokens": TOKENS}
LONG: dict[str, dict[str, object]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": CHAT,
    "/v1/completions": {"prompt": "go on", "max_tokens": TOKENS},
    "/v1/responses": {"input": "go on", "max_output_tokens": TOKENS},
}


async def check_aborted(engine: EngineServer, proxied: Way, finished_before: float, made_before: float) -> None:
    """Check that the engine stopped early. vLLM 0.32 does not count `finished_reason="abort"` when a client leaves."""
    await until(lambda: engine.in_flight() == 0, "the engine has stopped")
    await until(lambda: proxied.series.read("concur_in_flight_requests") == 0, "the place is given up")
    assert engine.finished() == finished_before
    assert engine.generated_tokens() - made_before < TOKENS


@pytest.mark.parametrize("path", LONG)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_leaves_aborts_the_engines_request(
    engine: EngineServer,
    proxied: Way,
    path: str,
    stream: bool,  # noqa: FBT001
) -> None:
    finished, made = engine.finished(), engine.generated_tokens()
    body = {"model": "tiny", "ignore_eos": True, "stream": stream, **LONG[path]}
    async with httpx.AsyncClient(base_url=proxied.url, timeout=60, trust_env=False) as client:
        asking = asyncio.create_task(client.post(path, json=body))
        await until(lambda: engine.in_flight() == 1, "the engine works on it")
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    await check_aborted(engine, proxied, finished, made)


async def test_a_client_that_leaves_in_the_middle_of_a_stream_aborts_the_engines_request(
    engine: EngineServer, proxied: Way
) -> None:
    finished, made = engine.finished(), engine.generated_tokens()
    async with httpx.AsyncClient(base_url=proxied.url, timeout=60, trust_env=False) as client:
        body = {"model": "tiny", "ignore_eos": True, "stream": True, **CHAT}
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.aiter_lines()
            for _ in range(20):
                await anext(lines)
    await check_aborted(engine, proxied, finished, made)
