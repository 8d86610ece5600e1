"""Who may call the gateway's own paths, at which socket, and what a wrong key costs."""

import asyncio
import logging
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from concur_proxy.admin import access
from concur_proxy.admin.access import AdminAccess
from concur_proxy.admin.paths import CLOSED_PATHS, OWN_PATHS
from concur_proxy.relay.client import ADMIN_CALLER
from concur_proxy.settings.admin_listen import ADDRESS_HEADER
from tests.http.running_gateway import RunningGateway, running_gateway

NOWHERE = "http://127.0.0.1:9"
STATE = "/concur/v1/state"
KEY = {"authorization": "Bearer open sesame"}
WRONG = {"authorization": "Bearer close sesame"}


def admin_client(gateway: RunningGateway) -> httpx.AsyncClient:
    url = gateway.app.access.admin_url
    assert url is not None
    if url.startswith("unix:"):
        transport = httpx.AsyncHTTPTransport(uds=url.removeprefix("unix:"))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False)
    return httpx.AsyncClient(base_url=url, trust_env=False)


def access_without_key(**settings: object) -> AdminAccess:
    values: dict[str, object] = {"admin_key": None, "admin_listen": "main", "private_metrics": False, **settings}
    return AdminAccess(registry=CollectorRegistry(), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["auto", "127.0.0.1:0", "[::1]:0", "unix"])
async def test_without_a_key_only_the_admin_socket_serves_the_api(where: str, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    address = f"unix:{path}" if where == "unix" else where
    async with running_gateway(NOWHERE, admin_listen=address) as gateway, admin_client(gateway) as admin:
        for closed in CLOSED_PATHS:
            refused = await gateway.client.get(closed)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_here"), closed
            assert refused.headers[ADDRESS_HEADER] == gateway.app.access.admin_url
        assert (await admin.get(STATE)).status_code == 200
        assert "text/html" in (await admin.get("/concur/")).headers["content-type"]
        for open_path in OWN_PATHS - CLOSED_PATHS:
            assert (await gateway.client.get(open_path)).status_code in {200, 405, 503}, open_path
            assert (await admin.get(open_path)).status_code in {200, 405, 503}, open_path
        assert (await admin.post("/v1/chat/completions", json={})).status_code == 404
        if where == "unix":
            assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


async def test_a_proxy_on_this_machine_reaches_nothing_without_a_key() -> None:
    async with running_gateway(NOWHERE, admin_listen="auto") as gateway:
        body = {"engine": "http://127.0.0.1:10"}
        assert (await gateway.client.post("/concur/v1/engines", json=body)).status_code == 403
        assert len(gateway.app.monitors) == 1


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}])
async def test_a_web_page_reaches_nothing_at_the_admin_socket(headers: dict[str, str]) -> None:
    async with running_gateway(NOWHERE, admin_listen="auto") as gateway, admin_client(gateway) as admin:
        assert (await admin.get(STATE, headers=headers)).status_code == 403


async def test_with_a_key_both_sockets_want_it(tmp_path: Path) -> None:
    settings: dict[str, object] = {"admin_key": "open sesame", "admin_listen": f"unix:{tmp_path}/admin.sock"}
    async with running_gateway(NOWHERE, **settings) as gateway, admin_client(gateway) as admin:
        for client in (gateway.client, admin):
            assert (await client.get(STATE)).status_code == 401
            assert (await client.get(STATE, headers=KEY)).status_code == 200


async def test_by_default_a_key_needs_no_second_socket() -> None:
    async with running_gateway(NOWHERE, admin_key="open sesame", admin_listen="auto") as gateway:
        assert gateway.app.access.admin_url is None
        assert (await gateway.client.get(STATE, headers=KEY)).status_code == 200


@pytest.mark.parametrize("key", [None, "open sesame"])
async def test_private_metrics_are_only_at_the_admin_socket(key: str | None) -> None:
    settings: dict[str, object] = {"admin_key": key, "admin_listen": "auto", "private_metrics": True}
    async with running_gateway(NOWHERE, **settings) as gateway, admin_client(gateway) as admin:
        for path in ("/metrics", "/readyz"):
            assert (await gateway.client.get(path)).status_code == 403
            assert (await admin.get(path)).status_code in {200, 503}
        assert (await gateway.client.get("/healthz")).status_code == 200


async def test_a_wrong_key_is_counted_logged_and_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access, "WRONG_KEY_DELAY_S", 0.3)
    async with running_gateway(NOWHERE, admin_key="open sesame") as gateway:
        began = time.monotonic()
        assert (await gateway.client.get(STATE, headers=WRONG)).status_code == 401
        assert time.monotonic() - began >= 0.3
        began = time.monotonic()
        assert (await gateway.client.get(STATE)).status_code == 401  # the live page asks so before it asks for the key
        assert (await gateway.client.get(STATE, headers=KEY)).status_code == 200
        assert time.monotonic() - began < 0.3
        assert await gateway.metric("concur_admin_wrong_keys_total") == 1
    (line,) = [record.getMessage() for record in caplog.records if "wrong admin key" in record.getMessage()]
    assert line == f"wrong admin key from 127.0.0.1: GET {STATE}"
    assert "sesame" not in caplog.text


async def test_guessing_in_parallel_is_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "WRONG_KEY_DELAY_S", 0.5)
    async with running_gateway(NOWHERE, admin_key="open sesame") as gateway:
        answers = await asyncio.gather(*(gateway.client.get(STATE, headers=WRONG) for _ in range(20)))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(401), statuses.count(429)) == (access.WAITING_PER_CALLER, 20 - access.WAITING_PER_CALLER)
        assert await gateway.metric("concur_admin_wrong_keys_total") == 20
        assert (await gateway.client.get(STATE, headers=KEY)).status_code == 200


async def test_each_change_leaves_a_line(caplog: pytest.LogCaptureFixture) -> None:
    assert logging.getLogger().getEffectiveLevel() == logging.WARNING
    async with running_gateway(NOWHERE, hash_sessions=True) as gateway:
        window = {"engine": NOWHERE, "sessions": 3}
        assert (await gateway.client.put("/concur/v1/window", json=window)).status_code == 200
        assert (await gateway.client.post("/concur/v1/sessions/end", json={"session_id": "ann"})).status_code == 404
        assert (await gateway.client.post("/concur/v1/engines", content=b"\r\n{")).status_code == 400
        await gateway.client.get(STATE)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("admin call")]
    assert lines[0] == f'admin call by 127.0.0.1: PUT /concur/v1/window {{"engine": "{NOWHERE}", "sessions": 3}}: 200'
    assert lines[1].endswith(": 404")
    assert "ann" not in lines[1]
    assert lines[2:] == ["admin call by 127.0.0.1: POST /concur/v1/engines (no valid body): 400"]


@pytest.mark.parametrize(
    ("client", "may"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.8.8", 1), True),
        (("::1", 1), True),
        (("::ffff:127.0.0.1", 1), True),
        (("10.0.0.1", 1), False),
        (("::ffff:10.0.0.1", 1), False),
        (("testclient", 1), False),
        (None, False),
    ],
)
async def test_at_the_main_port_without_a_key_only_this_machine_may(
    client: tuple[str, int] | None, *, may: bool
) -> None:
    refused = await access_without_key().refusal(Request({"type": "http", "client": client, "headers": []}))
    assert (refused is None) is may
    assert refused is None or refused.status_code == 403


def test_other_machines_do_not_learn_where_the_api_is() -> None:
    closed = access_without_key(admin_listen="auto")
    closed.admin_url = "http://127.0.0.1:9300"
    for client, knows in ((("127.0.0.1", 1), True), (("10.0.0.1", 1), False), (None, False)):
        refused = closed.misplaced({"type": "http", "path": STATE, "client": client, "extensions": {}})
        assert refused is not None
        assert (b"9300" in bytes(refused.body)) is knows
        assert (ADDRESS_HEADER in refused.headers) is knows


def test_a_caller_by_unix_socket_is_named_by_its_user() -> None:
    extensions = {ADMIN_CALLER: "unix socket, user 1000"}
    assert access.caller_of({"client": None, "extensions": extensions}) == "unix socket, user 1000"
