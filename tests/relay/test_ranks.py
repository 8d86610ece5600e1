"""Data-parallel ranks behind one port, each an engine of the fleet."""

import asyncio

import httpx
import pytest

from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.server import build_app
from tests.http.running_gateway import running_gateway
from tests.http.running_server import running_server
from tests.http.scripted_engine import scripted_engine


@pytest.mark.parametrize("flavour", ["vllm", "sglang"])
async def test_a_session_finds_its_cache_on_its_rank_and_each_rank_has_its_own_signals(flavour: str) -> None:
    options = EmulatorOptions(flavour=flavour, data_parallel_size=2, time_scale=100.0, answer_tokens=8)
    async with running_server(build_app(options)) as url, running_gateway(f"{url}#dp=2") as gateway:
        names = [f"{url}#rank=0", f"{url}#rank=1"]
        assert [monitor.engine for monitor in gateway.app.monitors] == names
        await gateway.until(lambda: all(monitor.rates is not None for monitor in gateway.app.monitors))
        assert [gateway.app.monitors[rank].kind for rank in (0, 1)] == [flavour, flavour]
        histories = {key: [{"role": "user", "content": f"{key} " * 200}] for key in ("a", "b", "c", "d")}
        cached = []
        for turn in range(3):
            for key, history in histories.items():
                answer = (await gateway.chat(key, model="emulated", messages=history)).json()
                history += [answer["choices"][0]["message"], {"role": "user", "content": "go on"}]
                if turn:
                    cached.append(answer["usage"]["prompt_tokens_details"]["cached_tokens"])
        assert all(tokens > 80 for tokens in cached), "a turn went to a rank without the session's cache"
        assert [gateway.snapshot(rank).active for rank in (0, 1)] == [2, 2]
        before = [gateway.app.monitors[rank].rates for rank in (0, 1)]
        await gateway.until(lambda: gateway.app.monitors[1].rates is not before[1])
        capacity = await asyncio.gather(*(gateway.metric("concur_engine_capacity_tokens", engine=n) for n in names))
        assert capacity == [options.capacity_tokens] * 2
        assert (await gateway.client.get("/v1/models")).json()["data"][0]["owned_by"] == "concur-proxy"


async def test_a_clients_own_rank_does_not_come_between_a_session_and_its_cache() -> None:
    async with scripted_engine() as engine, running_gateway(f"{engine.url}#dp=2") as gateway:
        for _ in range(2):
            headers = {"x-session-id": "s", "X-data-parallel-rank": "1"}
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            await gateway.client.post("/v1/chat/completions", json=body, headers=headers)
        seen = [
            [value for key, value in request.headers if key.lower() == "x-data-parallel-rank"]
            for request in engine.received
        ]
        assert seen == [["0"], ["0"]]


async def test_without_ranks_the_header_is_the_clients() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.client.post("/v1/embeddings", json={}, headers={"x-data-parallel-rank": "1"})
        assert engine.received[0].header("x-data-parallel-rank") == "1"


async def test_an_emulated_rank_that_is_not_there_is_refused() -> None:
    async with (
        running_server(build_app(EmulatorOptions(data_parallel_size=2, time_scale=100.0))) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        body = {"model": "emulated", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        for rank, status in (("1", 200), ("2", 400), ("x", 400)):
            response = await client.post("/v1/chat/completions", json=body, headers={"X-data-parallel-rank": rank})
            assert response.status_code == status
