"""A page of another origin, such as a chat UI with direct connections, must be able to read a refusal."""

from collections.abc import Awaitable, Callable

import pytest

from concur_proxy.relay.cors import MAX_ORIGINS, CorsMemory
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine

ORIGIN = {"origin": "http://chat.example"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "POST"}


def allowing(allowed: str, more: str = "") -> Callable[[Exchange], Awaitable[None]]:
    async def script(exchange: Exchange) -> None:
        await exchange.json({"ok": True}, headers=f"access-control-allow-origin: {allowed}\r\n{more}")

    return script


@pytest.mark.parametrize("learns_by", ["OPTIONS", "POST"])
async def test_refusals_allow_what_the_engine_allows(learns_by: str) -> None:
    more = "access-control-allow-credentials: true\r\n"
    script = allowing(ORIGIN["origin"], more)
    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        await gateway.client.request(learns_by, "/v1/chat/completions", headers=PREFLIGHT, json={})
        await engine.stop()
        body = {"model": "m", "messages": []}
        for method, path, status in (
            ("POST", "/v1/chat/completions", 502),
            ("GET", "/nowhere", 404),
            ("PATCH", "/v1/chat/completions", 405),
        ):
            answer = await gateway.client.request(method, path, headers=ORIGIN, json=body)
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == ORIGIN["origin"]
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "retry-after" in answer.headers["access-control-expose-headers"]
            assert answer.headers["vary"] == "origin"
        other = await gateway.client.get("/nowhere", headers={"origin": "http://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-origin" not in (await gateway.client.get("/nowhere")).headers


async def test_what_an_engine_says_passes_unchanged() -> None:
    async with scripted_engine(script=allowing("*")) as engine, running_gateway(engine.url) as gateway:
        answer = await gateway.chat()
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-expose-headers" not in answer.headers


def test_an_origin_that_is_no_longer_allowed_is_forgotten_and_memory_is_bounded() -> None:
    memory = CorsMemory()
    allowed = [(b"access-control-allow-origin", b"*")]
    memory.learn(b"a", allowed)
    assert memory.headers(b"a")
    memory.learn(b"a", [])
    assert memory.headers(b"a") == []
    for number in range(MAX_ORIGINS + 1):
        memory.learn(b"%d" % number, allowed)
    assert memory.headers(b"0") == []
    assert memory.headers(b"%d" % MAX_ORIGINS)
