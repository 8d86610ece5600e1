"""Sessions end at the real gateway."""

import asyncio
import logging
import time
from collections.abc import Mapping

import httpx
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, OpenAI

from concur_proxy.client import attach, headers, session
from concur_proxy.client.release import sent_again
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import answers, scripted_engine, sessions


def _ask(client: OpenAI) -> None:
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


async def _ask_async(client: AsyncOpenAI) -> None:
    await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def _active(gateway: RunningGateway) -> int:
    return gateway.snapshot().active


async def test_an_async_session_has_ended_when_its_block_has() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        client = attach(AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none"))
        async with session("agent-7"):
            await _ask_async(client)
            assert _active(gateway) == 1
        assert _active(gateway) == 0
        assert sessions(engine) == ["agent-7"]
        await client.close()


async def test_a_sync_session_has_ended_when_its_block_has() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:

        def run() -> None:
            with attach(OpenAI(base_url=f"{gateway.url}/v1", api_key="none")) as client, session("agent-7"):
                _ask(client)
                assert _active(gateway) == 1

        await asyncio.to_thread(run)
        assert _active(gateway) == 0


async def test_a_sync_block_in_an_event_loop_does_not_block_it() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        client = attach(AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none"))
        with session("agent-7"):
            await _ask_async(client)
        await gateway.until(lambda: _active(gateway) == 0)
        await client.close()


async def test_each_tenant_ends_its_own_session() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        both, first_has_ended = asyncio.Barrier(2), asyncio.Event()

        async def run(key: str) -> None:
            async with attach(AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key)) as client:
                async with session("agent-7"):
                    await _ask_async(client)
                    await both.wait()
                    assert key == "first" or await first_has_ended.wait()
                first_has_ended.set()

        second = asyncio.create_task(run("second"))
        await run("first")
        assert _active(gateway) == 1
        await second
        assert _active(gateway) == 0


async def test_a_tenant_that_a_header_names() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, tenant_header="x-team") as gateway:
        gateway.client.headers["x-team"] = "blue"
        attach(gateway.client)
        async with session("agent-7"):
            assert (await gateway.chat()).is_success
            assert _active(gateway) == 1
        assert _active(gateway) == 0


async def test_a_family_ends_with_its_parent_that_asked_nothing_itself() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        client = attach(AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none"))
        async with session("planner"):
            async with session("coder"):
                await _ask_async(client)
            assert _active(gateway) == 1
        assert _active(gateway) == 0
        await client.close()


async def test_a_block_within_the_same_session_does_not_end_it() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        client = attach(AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none"))
        async with session("agent-7"):
            async with session("agent-7"):
                await _ask_async(client)
            assert _active(gateway) == 1
        assert _active(gateway) == 0
        await client.close()


async def test_a_framework_that_takes_only_headers() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        client = AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="secret")
        async with session("agent-7", gateway=f"{gateway.url}/v1", api_key="secret"):
            messages = [{"role": "user", "content": "hi"}]
            await client.chat.completions.create(model="m", messages=messages, extra_headers=headers())  # type: ignore[arg-type]
            assert _active(gateway) == 1
        assert _active(gateway) == 0
        await client.close()


async def test_anthropic_s_credential_ends_the_session_too() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        client = attach(AsyncAnthropic(base_url=gateway.url, api_key="secret"))
        engine.script = answers("200 OK", b'{"type":"message","content":[]}', b"content-type: application/json\r\n")
        async with session("agent-7"):
            await client.messages.create(model="m", max_tokens=8, messages=[{"role": "user", "content": "hi"}])
            assert _active(gateway) == 1
        assert _active(gateway) == 0
        await client.close()


async def test_a_server_that_is_no_gateway_only_gets_the_headers() -> None:
    async with scripted_engine() as engine:
        client = attach(AsyncOpenAI(base_url=f"{engine.url}/v1", api_key="none"))
        async with session("agent-7"):
            await _ask_async(client)
        assert [request.target for request in engine.received] == ["/v1/chat/completions"]
        await client.close()


@pytest.mark.parametrize("status", ["404 Not Found", "307 Temporary Redirect"])
async def test_a_release_that_fails_is_a_line_for_debugging(status: str, caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_engine() as engine, scripted_engine() as elsewhere:
        engine.script = answers(status, b"", f"location: {elsewhere.url}/\r\n".encode())
        with caplog.at_level(logging.DEBUG, logger="concur_proxy.client"):
            async with session("agent-7", gateway=engine.url, api_key="secret"):
                pass
        assert [record.levelname for record in caplog.records if "not released" in record.message] == ["DEBUG"]
        assert not elsewhere.received


async def test_a_server_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concur_proxy.client.release.TIMEOUT_S", 0.05)

    async def be_silent(exchange: object) -> None:
        await asyncio.sleep(5)

    async with scripted_engine(script=be_silent) as engine:
        began = time.monotonic()
        async with session("agent-7", gateway=engine.url):
            pass
        assert time.monotonic() - began < 2


def test_attaching_twice_is_the_same_as_once() -> None:
    client = httpx.Client()
    assert attach(attach(client)) is client
    assert {event: len(hooks) for event, hooks in client.event_hooks.items()} == {"request": 1, "response": 1}


def test_what_has_no_http_client_is_refused() -> None:
    with pytest.raises(TypeError, match="str has no HTTP client"):
        attach("http://127.0.0.1:8300")


def test_headers_that_may_name_the_tenant_are_sent_again() -> None:
    sent: Mapping[str, str] = {"Authorization": "Bearer a", "Content-Length": "3", "X-Team": "blue", "Host": "h"}
    assert sent_again(sent) == {"Authorization": "Bearer a", "X-Team": "blue"}
