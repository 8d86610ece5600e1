"""Two tenants with equal names do not meet, on one gateway and on several that share a Redis."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

from concur_proxy.recognition.client_keys import client_key_entry
from concur_proxy.server import client_keys
from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, answer, scripted_engine

STATIC: dict[str, object] = {"law": "static", "law_options": {"window": 4}, "work_conserving": False}
STATE = "x-concur-session-state"
RELEASES = ("/programs/release", "/concur/v1/sessions/release")


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def key_file(path: Path, **tenants: str) -> Path:
    """A file in which each of these tenants has this key."""
    path.write_text("".join(client_key_entry(sha256(key.encode()).hexdigest(), name) for name, key in tenants.items()))
    return path


async def chat(gateway: RunningGateway, headers: dict[str, str], **body: object) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return await gateway.client.post("/v1/chat/completions", json=body, headers=headers)


async def listed(gateway: RunningGateway) -> list[tuple[str, str, int]]:
    rows = (await gateway.client.get("/concur/v1/sessions")).json()["sessions"]
    return sorted((row["session_id"], row["tenant"][:4], row["turns"]) for row in rows)


async def released(gateway: RunningGateway, path: str, key: str, headers: dict[str, str]) -> bool:
    answer = await gateway.client.post(path, json={"session_id": key}, headers=headers)
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["released"])


async def _equal_names_do_not_meet(
    one: RunningGateway, two: RunningGateway, blue: dict[str, str], red: dict[str, str]
) -> None:
    """Blue's session is joined, ended and released by nobody else, through both gateways."""
    same = {"x-session-id": "agent-7"}
    assert (await chat(one, blue | same)).headers[STATE] == "queued"
    assert (await chat(two, red | same)).headers[STATE] == "queued"
    assert (await chat(two, blue | same)).headers[STATE] == "active"
    while sorted(turns for _, _, turns in await listed(one)) != [1, 2]:  # reaches the one that leads a little later
        await asyncio.sleep(0.01)
    await chat(two, red | same | {"x-session-end": "true"})
    while [turns for _, _, turns in await listed(one)] != [2]:  # the end reaches the gateway that leads a little later
        await asyncio.sleep(0.01)
    for path in RELEASES:
        assert not await released(two, path, "agent-7", red)
    assert [key for key, _, _ in await listed(one)] == ["agent-7"]
    assert await released(two, RELEASES[0], "agent-7", blue)
    await one.until(lambda: not any(one.app.coordinator.fleet.gates[each.engine].sessions for each in one.app.monitors))


@pytest.mark.parametrize(
    ("blue", "red", "settings"),
    [
        (bearer("a"), bearer("b"), {}),
        (bearer("a"), {}, {}),
        ({"x-api-key": "a"}, {"api-key": "a"}, {}),
        ({"x-tenant": "blue"}, {"x-tenant": "red"}, {"tenant_header": "x-tenant"}),
        ({"x-tenant": "blue"}, bearer("b"), {"tenant_header": "x-tenant"}),
    ],
)
async def test_equal_names_of_two_tenants_do_not_meet(
    blue: dict[str, str], red: dict[str, str], settings: dict[str, object]
) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, **STATIC, **settings) as gateway:
        await _equal_names_do_not_meet(gateway, gateway, blue, red)


@pytest.mark.parametrize("engines", [1, 2])
async def test_equal_names_of_two_tenants_do_not_meet_over_redis(
    redis: RedisServer, engines: int, tmp_path: Path
) -> None:
    keys = key_file(tmp_path / "keys.toml", blue="key-b", red="key-r")
    shared = {"store": "redis", "redis_url": redis.url, "redis_prefix": token_hex(4), "client_keys_file": keys}
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(scripted_engine())).url for _ in range(engines)]
        one, two = [await stack.enter_async_context(running_gateway(*urls, **STATIC, **shared)) for _ in range(2)]
        await two.until(lambda: one.app.coordinator.status.replicas == two.app.coordinator.status.replicas == 2)
        await _equal_names_do_not_meet(one, two, bearer("key-b"), bearer("key-r"))


async def test_a_header_without_a_tenant_is_a_tenant_whatever_the_credential() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, tenant_header="x-tenant") as gateway:
        for token in "abc":
            await chat(gateway, bearer(token) | {"x-session-id": "rotating"})
        assert await listed(gateway) == [("rotating", "", 3)]


async def test_a_name_that_conversations_share_is_not_shared_by_tenants() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        for token in "ab":
            await chat(gateway, bearer(token), prompt_cache_key="application")
        assert [turns for _, _, turns in await listed(gateway)] == [1, 1]
        found = {key for key, _, _ in await listed(gateway)}
        for key in found:  # the name of another's conversation is no way in either
            assert not await released(gateway, RELEASES[0], key, bearer("c"))
            await chat(gateway, bearer("c") | {"x-session-id": key})
        assert [turns for _, _, turns in await listed(gateway)] == [1] * (2 + len(found))


async def test_a_request_without_a_valid_key_is_refused_before_its_body(tmp_path: Path) -> None:
    keys = key_file(tmp_path / "keys.toml", blue="key-b")
    async with scripted_engine() as engine, running_gateway(engine.url, client_keys_file=keys) as gateway:
        answers = {
            path: await gateway.client.post(path, content=b"not json", headers=bearer("wrong"))
            for path in ("/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/programs/release", "/unknown")
        }
        assert {answer.status_code for answer in answers.values()} == {401}
        assert answers["/v1/chat/completions"].json()["error"]["code"] == "invalid_api_key"
        assert answers["/v1/messages"].json()["error"]["type"] == "authentication_error"
        assert answers["/v1/chat/completions"].headers["www-authenticate"] == "Bearer"
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.client.base_url.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 1000000\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()
        assert engine.received == []
        assert (await gateway.client.get("/healthz")).status_code == 200
        assert (await chat(gateway, bearer("key-b"))).status_code == 200
        assert engine.received[0].header("authorization") == "Bearer key-b"


async def test_the_engines_own_key_takes_the_place_of_a_clients(tmp_path: Path) -> None:
    settings = {"client_keys_file": key_file(tmp_path / "keys.toml", blue="key-b"), "engine_api_key": "of-the-engine"}
    async with scripted_engine() as engine, running_gateway(engine.url, **settings) as gateway:
        await chat(gateway, {"x-api-key": "key-b"})
        await gateway.client.get("/v1/models", headers=bearer("key-b"))
        for request in engine.received:
            assert request.header("authorization") == "Bearer of-the-engine"
            assert "key-b" not in str(request.headers)


async def test_without_client_keys_a_clients_credential_passes() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, engine_api_key="of-the-engine") as gateway:
        await chat(gateway, bearer("own"))
        assert engine.received[0].header("authorization") == "Bearer own"


async def test_a_browser_may_ask_for_permission_without_a_key(tmp_path: Path) -> None:
    keys = key_file(tmp_path / "keys.toml", blue="key-b")
    async with scripted_engine() as engine, running_gateway(engine.url, client_keys_file=keys) as gateway:
        assert (await gateway.client.options("/v1/chat/completions")).status_code == 200


async def test_the_keys_are_read_again_when_their_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client_keys, "POLL_S", 0.02)
    file = key_file(tmp_path / "keys.toml", blue="old")

    async def becomes(key: str, status: int) -> None:
        async with asyncio.timeout(10):
            while (await chat(gateway, bearer(key))).status_code != status:
                await asyncio.sleep(0.02)

    async with scripted_engine() as engine, running_gateway(engine.url, client_keys_file=file) as gateway:
        await becomes("old", 200)
        key_file(tmp_path / "other.toml", blue="new").replace(file)
        await becomes("new", 200)
        await becomes("old", 401)
        file.write_text("[[keys]]\nsha256 = 'a key in clear'\ntenant = 'blue'\n")
        await gateway.until(lambda: "not reloaded" in caplog.text)
        assert "a key in clear" not in caplog.text
        assert (await chat(gateway, bearer("new"))).status_code == 200
        file.unlink()
        await asyncio.sleep(0.1)
        assert (await chat(gateway, bearer("new"))).status_code == 200


async def test_the_keys_are_read_again_on_a_signal(tmp_path: Path) -> None:
    file = key_file(tmp_path / "keys.toml", blue="old")
    async with scripted_engine() as engine, running_gateway(engine.url, client_keys_file=file) as gateway:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, gateway.app.reload)
        try:
            key_file(file, blue="new")
            os.kill(os.getpid(), signal.SIGHUP)
            await gateway.until(lambda: gateway.app.tenants.of({b"x-api-key": b"new"}) is not None)
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
        assert (await chat(gateway, bearer("old"))).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        # a name that the page's owner has pointed at this machine since
        {"origin": "http://evil.example:8300", "host": "evil.example:8300", "sec-fetch-site": "same-origin"},
    ],
)
@pytest.mark.parametrize("path", RELEASES)
async def test_a_web_page_can_release_nothing(path: str, headers: dict[str, str]) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.chat("agent-7")
        text = {"content-type": "text/plain"}
        answer = await gateway.client.post(path, content=b'{"session_id":"agent-7"}', headers=headers | text)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "from_web_page")
        assert await listed(gateway) == [("agent-7", "", 1)]


async def respond(gateway: RunningGateway, key: str, **more: object) -> httpx.Response:
    body = {"model": "m", "input": "x", **more}
    return await gateway.client.post("/v1/responses", json=body, headers=bearer(key))


async def _answer_response(exchange: Exchange) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1}
    await exchange.json({"id": "resp_1", "object": "response", "status": "completed", "output": [], "usage": usage})


@pytest.mark.parametrize("engines", [1, 2])
async def test_a_stored_response_is_its_tenants_own(tmp_path: Path, engines: int) -> None:
    keys = key_file(tmp_path / "keys.toml", blue="key-b", red="key-r")
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(scripted_engine(script=_answer_response)) for _ in range(engines)]
        urls = [engine.url for engine in running]
        gateway = await stack.enter_async_context(running_gateway(*urls, client_keys_file=keys))
        assert (await respond(gateway, "key-b")).status_code == 200
        seen = [len(engine.received) for engine in running]
        assert (await respond(gateway, "key-r", previous_response_id="resp_1")).status_code == 404
        for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
            url = f"/v1/responses/resp_1{path}"
            refused = await gateway.client.request(method, url, headers=bearer("key-r"))
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_response")
        assert [len(engine.received) for engine in running] == seen, "no engine was asked"
        assert (await gateway.client.get("/v1/responses/resp_1", headers=bearer("key-b"))).status_code == 200
        assert (await respond(gateway, "key-b", previous_response_id="resp_1")).status_code == 200


async def test_another_credential_continues_a_response_in_a_session_of_its_own() -> None:
    async with scripted_engine(script=_answer_response) as engine, running_gateway(engine.url) as gateway:
        await respond(gateway, "old-token", session_id="s")
        assert (await respond(gateway, "new-token", previous_response_id="resp_1")).status_code == 200
        assert sorted(turns for _, _, turns in await listed(gateway)) == [1, 1]


def _rows(answers: Sequence[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def test_an_operator_names_the_tenant_only_where_several_have_such_a_session() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, tenant_header="x-tenant") as gateway:
        for tenant, key in (("blue", "same"), ("red", "same"), ("red", "only")):
            await chat(gateway, {"x-tenant": tenant, "x-session-id": key})
        pause = "/concur/v1/sessions/pause"
        several = await gateway.client.post(pause, json={"session_id": "same"})
        assert (several.status_code, several.json()["error"]["code"]) == (409, "several_sessions")
        answers = [
            await gateway.client.post(pause, json=body)
            for body in (
                {"session_id": "same", "tenant": "red"},
                {"session_id": "only"},
                {"session_id": "only", "tenant": "blue"},
            )
        ]
        assert _rows(answers) == [200, 200, 404]
        rows = (await gateway.client.get("/concur/v1/sessions")).json()["sessions"]
        paused = {(row["tenant"], row["session_id"]) for row in rows if row["by_hand"]}
        assert paused == {("red", "same"), ("red", "only")}


async def test_a_tenant_that_the_engine_only_refuses_gets_one_place_at_a_time() -> None:
    at_once, most, may_answer = 0, 0, asyncio.Event()
    may_answer.set()

    async def script(exchange: Exchange) -> None:
        nonlocal at_once, most
        if exchange.request.header("authorization") != "Bearer wrong":
            await exchange.json(answer())
            return
        at_once += 1
        most = max(most, at_once)
        await may_answer.wait()
        at_once -= 1
        await exchange.json({"error": {"message": "Unauthorized"}}, status="401 Unauthorized")

    async with scripted_engine(script=script) as engine, running_gateway(engine.url, **STATIC) as gateway:
        wrong = bearer("wrong")
        for number in range(3):
            assert (await chat(gateway, wrong | {"x-session-id": f"first {number}"})).status_code == 401
        most = 0
        may_answer.clear()
        flood = [asyncio.create_task(chat(gateway, wrong | {"x-session-id": f"m{number}"})) for number in range(12)]
        await gateway.until(lambda: gateway.snapshot().waiting == 11)
        for number in range(3):
            served = await chat(gateway, bearer("right") | {"x-session-id": f"s{number}"})
            assert float(served.headers["x-concur-queue-wait-s"]) < 0.01
        may_answer.set()
        assert {(await each).status_code for each in flood} == {401}
        assert most == 1
        rows = (await gateway.client.get("/concur/v1/sessions")).json()["sessions"]
        assert {row["session_id"] for row in rows} == {"s0", "s1", "s2"}, "a refused session leaves nothing"
