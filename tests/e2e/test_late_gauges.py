"""An engine whose gauges are late is not idle while the gateway's own requests are there.

SGLang's gauges read 0 until its first prefill batch has ended. Taken at their word, the engine is idle while sessions
wait, which would raise the window far beyond the cache.
"""

import asyncio

import pytest

from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.server import build_app
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.running_server import running_server

CAPACITY_TOKENS = 30_000
PROMPT_TOKENS = 4_000
AGENTS = 20
SPEED_UP = 5.0
FIRST_S = 10.0
"""Seconds of the engine."""


async def _agent(gateway: RunningGateway, number: int) -> None:
    messages = [{"role": "user", "content": f"{number:4d}" * PROMPT_TOKENS}]
    while True:
        body = {"model": "emulated", "messages": messages, "max_tokens": 60}
        answer = await gateway.client.post(
            "/v1/chat/completions", json=body, headers={"x-session-id": f"agent-{number}"}, timeout=120
        )
        if answer.status_code != 200:
            return
        messages += [answer.json()["choices"][0]["message"], {"role": "user", "content": "go on " * 100}]


@pytest.mark.parametrize("flavour", ["sglang", "vllm"])
@pytest.mark.parametrize("tells_cached", [True, False])
async def test_the_window_stays_within_the_cache_in_the_first_ten_seconds(flavour: str, *, tells_cached: bool) -> None:
    options = EmulatorOptions(
        flavour=flavour,
        capacity_tokens=CAPACITY_TOKENS,
        prefill_tokens_s=2_000.0,
        time_scale=SPEED_UP,
        cached_tokens=tells_cached,
    )
    async with (
        running_server(build_app(options)) as engine,
        running_gateway(engine, scrape_interval_s=1.0 / SPEED_UP) as gateway,
    ):
        await gateway.until(lambda: gateway.snapshot().budget_tokens is not None)
        agents = [asyncio.create_task(_agent(gateway, number)) for number in range(AGENTS)]
        windows, waiting = [], 0
        for _ in range(int(FIRST_S)):
            await asyncio.sleep(1.0 / SPEED_UP)
            snapshot = gateway.snapshot()
            windows.append(snapshot.budget_tokens or 0.0)
            waiting = max(waiting, snapshot.waiting)
        for agent in agents:
            agent.cancel()
        await asyncio.gather(*agents, return_exceptions=True)
    assert waiting > 0, "the fleet is too small for this test"
    assert max(windows) <= CAPACITY_TOKENS, [round(window / CAPACITY_TOKENS, 2) for window in windows]
