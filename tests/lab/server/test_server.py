import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletionMessageParam

from concur_proxy.lab.server.clockwork import CLOCK_PATH
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.server import build_app

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello " * 100}]


@asynccontextmanager
async def running(**values: object) -> AsyncIterator[str]:
    """A listening engine, sped up 1000x by default."""
    options = EmulatorOptions(**{"time_scale": 1000.0, **values})  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(build_app(options), port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def series(url: str, name: str) -> float:
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"{url}/metrics")).text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def until_running(url: str, number: float) -> None:
    async with asyncio.timeout(10):
        while await series(url, "vllm:num_requests_running") != number:
            await asyncio.sleep(0.01)


async def test_the_openai_sdk_gets_answers_whole_and_streamed() -> None:
    async with running() as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        assert [model.id async for model in client.models.list()] == ["emulated"]
        whole = await client.chat.completions.create(model="emulated", messages=MESSAGES, max_tokens=12)
        stream = await client.chat.completions.create(
            model="emulated",
            messages=MESSAGES,
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == whole.choices[0].message.content
        usage = chunks[-1].usage
        assert usage is not None
        assert whole.usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens) == (whole.usage.prompt_tokens, 12)
        assert usage.prompt_tokens_details is not None
        assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens // 16 * 16


async def test_the_sdk_raises_what_a_real_engine_makes_it_raise() -> None:
    async with running(capacity_tokens=512) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        with pytest.raises(NotFoundError, match="does not exist"):
            await client.chat.completions.create(model="gpt", messages=MESSAGES)
        with pytest.raises(BadRequestError, match="maximum context length"):
            await client.chat.completions.create(model="emulated", messages=MESSAGES, max_tokens=4000)
        async with httpx.AsyncClient() as plain:
            answer = await plain.post(f"{url}/v1/chat/completions", content=b"{")
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadRequestError")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_frees_the_engine(stream: bool) -> None:  # noqa: FBT001 - pytest passes by name
    async with running(time_scale=1.0) as url, httpx.AsyncClient() as client:
        body = {"model": "emulated", "messages": MESSAGES, "max_tokens": 50_000, "stream": stream}

        async def ask() -> None:
            async with client.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as response:
                async for _ in response.aiter_raw():
                    pass

        asking = asyncio.create_task(ask())
        await until_running(url, 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until_running(url, 0)
        assert await series(url, 'vllm:request_success_total{engine="0",finished_reason="abort"') == 1


async def test_a_streams_first_event_comes_with_its_first_token() -> None:
    loop = asyncio.get_running_loop()
    async with running(time_scale=1.0, prefill_tokens_s=500.0) as url, httpx.AsyncClient() as client:
        body = {"messages": MESSAGES, "max_tokens": 1, "stream": True}
        began = loop.time()
        async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            await anext(response.aiter_raw())
        # more than 150 prompt tokens at 500 per second; a shorter time would make the engine look faster than it is
        assert loop.time() - began > 0.25


async def test_time_scale_makes_it_faster() -> None:
    async def seconds(scale: float) -> float:
        loop = asyncio.get_running_loop()
        async with running(time_scale=scale) as url, httpx.AsyncClient() as client:
            began = loop.time()
            body = {"messages": MESSAGES, "max_tokens": 20}
            assert (await client.post(f"{url}/v1/chat/completions", json=body)).status_code == httpx.codes.OK
            return loop.time() - began

    # 20 steps of 14.25 ms and the prompt's 14 ms; the bound is loose because the machine may be busy
    assert await seconds(1.0) >= 20 * 0.01425
    assert await seconds(100.0) < 20 * 0.01425


async def test_sglangs_gauges_do_not_see_a_request_before_its_prefill_has_ended() -> None:
    async with (
        running(flavour="sglang", time_scale=1.0, prefill_tokens_s=400.0) as url,
        httpx.AsyncClient() as client,
    ):
        body = {"messages": MESSAGES, "max_tokens": 200}
        asking = asyncio.create_task(client.post(f"{url}/v1/chat/completions", json=body))
        await asyncio.sleep(0.15)  # the prefill takes 0.4 s
        assert await series(url, "sglang:num_running_reqs") == 0
        async with asyncio.timeout(10):
            while await series(url, "sglang:num_running_reqs") != 1:
                await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_the_engine_reports_how_well_it_keeps_its_own_time() -> None:
    async with running(time_scale=10.0, data_parallel_size=2) as url, httpx.AsyncClient() as client:
        assert (await client.get(f"{url}{CLOCK_PATH}")).json() == {"due_s": 0.0, "late_s": 0.0}
        for _ in range(2):  # one request for each rank
            await client.post(f"{url}/v1/chat/completions", json={"messages": MESSAGES, "max_tokens": 10})
        clock = (await client.get(f"{url}{CLOCK_PATH}")).json()
        assert clock["due_s"] == pytest.approx(2 * (10 * 0.014 + 9 * 0.00025 + 0.014), rel=0.2)
        assert clock["late_s"] >= 0
