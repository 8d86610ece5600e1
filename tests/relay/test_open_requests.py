"""What open requests hold, by tenant."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from concur_proxy.recognition.client_keys import client_key_entry
from concur_proxy.relay.open_requests import (
    LARGE_BYTES,
    BodiesTooLarge,
    OpenRequest,
    OpenRequests,
    TenantBodiesTooLarge,
    TooManyOpenRequests,
)
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Hold, scripted_engine

LARGE = "x" * 6_000


def begin(
    every: OpenRequests, tenant: str = "a", *, requests: int | None = None, tenant_bytes: int | None = None
) -> OpenRequest:
    return every.begin(tenant, max_requests=requests, max_bytes=10, max_tenant_bytes=tenant_bytes)


def test_what_does_not_fit_is_not_counted() -> None:
    every = OpenRequests()
    with begin(every) as one, begin(every, "b") as two:
        one.take(6)
        with pytest.raises(BodiesTooLarge):
            two.take(5)
        two.take(4)
        assert every.body_bytes == 10
    assert every.body_bytes == 0
    assert every.tenants == {}


def test_large_bodies_leave_a_quarter_for_others() -> None:
    every, limit = OpenRequests(), 40 * LARGE_BYTES

    def begun() -> OpenRequest:
        return every.begin("a", max_requests=None, max_bytes=limit, max_tenant_bytes=None)

    with begun() as one, begun() as two, begun() as three:
        one.take(limit // 2)
        two.take(limit // 4)
        with pytest.raises(BodiesTooLarge):
            two.take(1)
        three.take(LARGE_BYTES)
        with pytest.raises(BodiesTooLarge):
            three.take(1)
    with begun() as alone:
        alone.take(limit)
        with pytest.raises(BodiesTooLarge):
            alone.take(1)


def test_a_tenant_at_its_limit_leaves_room_for_others() -> None:
    every = OpenRequests()
    with begin(every, tenant_bytes=5) as one, begin(every, tenant_bytes=5) as two, begin(every, "b") as other:
        one.take(3)
        with pytest.raises(TenantBodiesTooLarge):
            two.take(3)
        other.take(7)
        assert {name: held.body_bytes for name, held in every.tenants.items()} == {"a": 3, "b": 7}


def test_open_requests_of_a_tenant_are_counted_apart() -> None:
    every = OpenRequests()
    with begin(every, requests=1), begin(every, "b", requests=1):
        with pytest.raises(TooManyOpenRequests):
            begin(every, requests=1)
        assert every.tenants["a"].requests == 1
    with begin(every, requests=1):
        assert list(every.tenants) == ["a"]


async def chat(gateway: RunningGateway, session: str, headers: dict[str, str], pad: str = "") -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "pad": pad}
    headers = {"x-session-id": session, **headers}
    return await gateway.client.post("/v1/chat/completions", json=body, headers=headers)


async def _is_refused(gateway: RunningGateway, headers: dict[str, str], code: str, pad: str = "") -> None:
    """Both APIs get the error in their own shape."""
    answer = await chat(gateway, "b", headers, pad)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, code)
    assert answer.headers["retry-after"] == "5"
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": pad or "hi"}]}
    answer = await gateway.client.post("/v1/messages", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")


@pytest.mark.parametrize("by_key", [True, False])
async def test_limits_of_a_tenant_come_from_its_key_or_from_the_settings(tmp_path: Path, *, by_key: bool) -> None:
    hold, file = Hold(), tmp_path / "keys.toml"
    own = "max_connections = 2\nmax_buffered_bytes = 10_000\n" if by_key else ""
    entries = [client_key_entry(sha256(name.encode()).hexdigest(), name) for name in ("blue", "red")]
    file.write_text(entries[0] + own + entries[1])
    settings: dict[str, Any] = (
        {} if by_key else {"max_connections_per_tenant": 2, "max_buffered_bytes_per_tenant": 10_000}
    )
    blue, red = {"authorization": "Bearer blue"}, {"authorization": "Bearer red"}
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, client_keys_file=file, **settings) as gateway,
    ):
        first = asyncio.create_task(chat(gateway, "a", blue, LARGE))
        await gateway.until(lambda: len(engine.received) == 1)
        await _is_refused(gateway, blue, "tenant_bodies_too_large", LARGE)
        second = asyncio.create_task(chat(gateway, "c", blue))
        await gateway.until(lambda: len(engine.received) == 2)
        await _is_refused(gateway, blue, "too_many_from_tenant")
        other = asyncio.create_task(chat(gateway, "b", red, LARGE))
        await gateway.until(lambda: len(engine.received) == 3)
        metrics = (await gateway.client.get("/metrics")).text
        assert 'concur_tenant_open_requests{tenant="blue"} 2.0' in metrics
        assert 'concur_tenant_open_requests{tenant="red"} 1.0' in metrics
        assert "concur_buffered_bytes 1" in metrics
        assert 'concur_request_failures_total{reason="too_many_from_tenant"} 2.0' in metrics
        hold.open.set()
        assert [(await task).status_code for task in (first, second, other)] == [200, 200, 200]
        assert (await chat(gateway, "b", blue)).status_code == 200


async def test_a_body_that_can_never_fit_is_refused_at_once_for_good() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, max_buffered_bytes_per_tenant=5_000) as gateway:
        answer = await gateway.chat("a", pad=LARGE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert "5000 bytes" in answer.json()["error"]["message"]
