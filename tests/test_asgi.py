import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from concur_proxy.asgi import MountedGateway, create_app
from concur_proxy.cli.load import SettingsError
from concur_proxy.client import attach, session
from concur_proxy.settings.gateway import GatewaySettings
from tests.http.scripted_engine import Exchange, Hold, ScriptedEngine, scripted_engine, sessions

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@dataclass(frozen=True, slots=True)
class Running:
    """A uvicorn process of its own, and a client."""

    url: str
    client: httpx.AsyncClient
    process: asyncio.subprocess.Process

    async def until(self, path: str, text: str) -> None:
        """Wait until the answer contains the text."""
        async with asyncio.timeout(30):
            while text not in (await self.client.get(path)).text:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def uvicorn(app: str, engine: ScriptedEngine, *flags: str, **environment: str) -> AsyncIterator[Running]:
    """uvicorn as its users start it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", app, "--port", "0", *flags,
        stderr=asyncio.subprocess.PIPE, env={**os.environ, "CONCUR_ENGINE": engine.url, **environment},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        url = ""
        while " running on " not in url:
            url = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
            assert url, "uvicorn has ended"
        url = url.partition(" running on ")[2].split()[0]
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            yield Running(url, client, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_gateway_that_an_application_mounts() -> None:
    """One process for all of this, because it takes seconds to start. It does not forward the lifespan."""
    async with scripted_engine() as engine, uvicorn("tests.http.mounted_app:app", engine) as running:
        async with attach(AsyncOpenAI(base_url=f"{running.url}/llm/v1", api_key="none")) as client, session("agent-7"):
            await client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
            await running.until("/llm/concur/v1/state", '"active":1')
        await running.until("/llm/concur/v1/state", '"active":0')
        for path, status in (
            ("/own", 200),
            ("/llm/v1/models?x=%2F", 200),
            ("/llm/healthz", 200),
            ("/llm/concur/", 200),
            ("/v1/models", 404),
            ("/llm/llm/v1/models", 404),
            ("/llm/flush_cache", 403),
        ):
            assert (await running.client.get(path)).status_code == status, path
        assert sessions(engine) == ["agent-7", None]
        assert [request.target for request in engine.received] == ["/v1/chat/completions", "/v1/models?x=%2F"]
        assert (await running.client.get("/llm/concur")).headers["location"] == "concur/"

        async def break_off(exchange: Exchange) -> None:
            await exchange.start_stream()
            await exchange.chunk(b"data: {}\n\n")
            exchange.die()

        engine.script = break_off
        with pytest.raises(httpx.RemoteProtocolError):
            await running.client.post("/llm/v1/chat/completions", json={**CHAT, "stream": True})

        engine.script = Hold()
        with pytest.raises(httpx.ReadTimeout):
            await running.client.post("/llm/v1/chat/completions", json=CHAT, timeout=0.1)
        await running.until("/llm/concur/v1/state", '"in_flight":0')
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.process.wait(), 30) in {0, -signal.SIGTERM}


async def test_a_gateway_in_the_application_s_lifespan_starts_before_the_first_request() -> None:
    async with scripted_engine() as engine, uvicorn("tests.http.mounted_app:app", engine, TEST_LIFESPAN="1") as running:
        async with asyncio.timeout(30):
            while not engine.scrapes:
                await asyncio.sleep(0.005)
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.process.wait(), 30) in {0, -signal.SIGTERM}


async def _call(app: MountedGateway, **scope: Any) -> tuple[int, bytes]:  # noqa: ANN401 - of ASGI
    sent: list[Any] = []
    received = iter([{"type": "http.request", "body": b""}])

    async def receive() -> Any:  # noqa: ANN401
        return next(received, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:  # noqa: ANN401
        sent.append(message)

    about = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "http_version": "1.1"}
    await app({**about, **scope}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(
    ("root", "path", "raw_path", "target"),
    [
        ("", "/v1/models", b"/v1/models", "/v1/models"),
        ("/llm", "/llm/v1/models", b"/llm/v1/models", "/v1/models"),
        ("/a/llm/", "/a/llm/v1/models", b"/a/llm/v1/models", "/v1/models"),
        ("/größe", "/größe/v1/models", b"/gr%C3%B6%C3%9Fe/v1/models", "/v1/models"),
        ("/llm", "/v1/models", b"/llm/v1/models", "/v1/models"),  # a framework that removes the path itself
        ("/llm", "/llm/v1/models", None, "/v1/models"),  # servers need not send raw_path
        ("/llm", "/llm/v1/models", b"/ll%6D/v1/models", "/v1/models"),
        ("/llm", "/llm/v1/models/flush_cache", b"/llm%2Fv1%2Fmodels/flush_cache", "/v1/models/flush_cache"),
        ("/llm", "/llm/flush_cache", b"/llm/flush_cache", None),
        ("/llm", "/llmv1/models", b"/llmv1/models", None),
    ],
)
async def test_the_engine_gets_the_path_that_was_allowed(
    root: str, path: str, raw_path: bytes | None, target: str | None
) -> None:
    async with scripted_engine() as engine, create_app(engine=engine.url) as app:
        status, _ = await _call(app, root_path=root, path=path, raw_path=raw_path)
        assert (status == 200) is (target is not None)
        assert [request.target for request in engine.received] == ([] if target is None else [target])


async def test_a_drained_gateway_refuses_requests() -> None:
    async with scripted_engine() as engine, create_app(GatewaySettings(engine=(engine.url,))) as app:  # type: ignore[call-arg]
        app.drain()
        status, body = await _call(app, path="/readyz", raw_path=b"/readyz")
        assert (status, json.loads(body)["status"]) == (503, "draining")


async def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:  # noqa: ANN401
        sent.append(message)

    await create_app(engine="http://127.0.0.1:9")({"type": "websocket", "path": "/v1/realtime"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_wrong_settings_are_reported() -> None:
    with pytest.raises(SettingsError, match="law"):
        create_app(engine="http://127.0.0.1:9", law="none-such")
    with pytest.raises(TypeError, match="not both: law"):
        create_app(GatewaySettings(engine=("http://127.0.0.1:9",)), law="tokens")  # type: ignore[call-arg]
