"""Real gateways, and servers that are none."""

import asyncio

import httpx
import pytest

from concur_proxy import plugins
from concur_proxy.doctor import mistaken
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.gateway import examine_gateway
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.pages import parse_page
from concur_proxy.telemetry.recognition import FEWEST
from tests.benchmarks.process import free_port
from tests.coordination.redis_server import RedisServer
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine

NOWHERE = "http://127.0.0.1:9"
KINDS = KnownKinds(plugins.load_engine_kinds())


async def examined(url: str, admin_key: str | None = None) -> dict[str, Finding]:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=5.0) as client:  # noqa: S501 - no TLS here
        return {finding.code: finding for finding in await examine_gateway(url, client, KINDS, admin_key=admin_key)}


async def fresh(gateway: RunningGateway) -> None:
    await gateway.until(lambda: all(monitor.has_answered and not monitor.is_stale for monitor in gateway.app.monitors))


async def chat(gateway: RunningGateway, number: int, session: str | None = None) -> None:
    await gateway.chat(session, messages=[{"role": "user", "content": f"task {number}"}])


async def test_a_gateway_that_works() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await fresh(gateway)
        found = await examined(f"{gateway.url}/")
        assert {code: finding.severity for code, finding in found.items()} == dict.fromkeys(
            ("ready", "signals", "few_requests"), Severity.OK
        )
        assert found["signals"].message == f"has fresh metrics of {engine.url}"
        for number in range(FEWEST):
            await chat(gateway, number, f"agent {number}")
        assert (await examined(gateway.url))["recognised"].message.endswith("100 % of the last requests")


async def test_a_gateway_whose_clients_name_no_session() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        for number in range(FEWEST):
            await chat(gateway, number)
        found = (await examined(gateway.url))["unrecognised"]
    assert found.severity is Severity.WARNING
    assert found.message == "does not recognise the session of 100 % of the last requests"
    assert "x-session-id" in found.fix


async def test_a_gateway_whose_clients_share_a_key() -> None:
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.5)
        await exchange.json({})

    async with scripted_engine(script=slow) as engine, running_gateway(engine.url, law="off") as gateway:
        await asyncio.gather(*(chat(gateway, number, "everybody") for number in range(12)))
        found = (await examined(gateway.url))["shared_keys"]
    assert found.severity is Severity.WARNING
    assert found.message == "sees one session key that names many parallel conversations"


async def test_an_engine_without_metrics() -> None:
    async with (
        scripted_engine(metrics_status="404 Not Found") as engine,
        running_gateway(engine.url, stale_after_s=0.1, fail_open_after_s=0.2) as gateway,
    ):
        await gateway.until(lambda: gateway.app.monitors[0].is_stale and gateway.app.monitors[0].has_answered)
        found = await examined(gateway.url)
    assert found["signals_stale"].severity is Severity.WARNING
    assert f"no metrics of {engine.url}" in found["signals_stale"].message
    assert found["signals_stale"].fix.endswith(f"concur-proxy doctor --engine {engine.url}")
    assert "signals" not in found


async def test_no_engine_can_be_reached() -> None:
    async with running_gateway(NOWHERE) as gateway:
        found = await examined(gateway.url)
    assert found["not_ready"].severity is Severity.ERROR
    assert found["engine_unreachable"].message.startswith(f"cannot reach {NOWHERE}: ")


async def test_a_gateway_that_stops() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        gateway.app.drain()
        assert (await examined(gateway.url))["draining"].severity is Severity.WARNING


async def test_gateways_that_share_a_redis(redis: RedisServer) -> None:
    shared = {"store": "redis", "redis_url": redis.url, "redis_prefix": "doctor"}
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, **shared) as one,
        running_gateway(engine.url, **shared) as two,
    ):
        for gateway in (one, two):
            await gateway.until(lambda gateway=gateway: gateway.app.coordinator.status.replicas == 2)  # type: ignore[misc]
            found = await examined(gateway.url)
            assert found["ready"].message.startswith("serves requests, one of 2 gateways (")
            assert "alone" not in found


async def test_a_gateway_that_cannot_reach_redis() -> None:
    settings = {"store": "redis", "redis_url": "redis://127.0.0.1:9/0"}
    async with scripted_engine() as engine, running_gateway(engine.url, **settings) as gateway:
        found = await examined(gateway.url)
    assert found["alone"].severity is Severity.WARNING
    assert found["alone"].fix.endswith("--redis-url")


async def test_the_state_needs_the_admin_key() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, admin_key="open sesame") as gateway:
        await fresh(gateway)
        locked, opened = await examined(gateway.url), await examined(gateway.url, "open sesame")
    assert locked["wants_key"].severity is Severity.WARNING
    assert "--admin-key" in locked["wants_key"].fix
    assert "few_requests" in opened


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (NOWHERE, "unreachable"),
        ("localhost:8300", "no_http"),
        ("http://127.0.0.1:x", "no_http"),
    ],
)
async def test_there_is_no_server(url: str, code: str) -> None:
    (found,) = (await examined(url)).values()
    assert (found.code, found.severity) == (code, Severity.ERROR)


async def test_an_engine_is_no_gateway() -> None:
    async with scripted_engine() as engine:
        (found,) = (await examined(engine.url)).values()
    assert (found.code, found.severity) == ("is_engine", Severity.ERROR)
    assert found.message == "is a vllm server and no gateway"
    assert found.fix.endswith(f"concur-proxy doctor --engine {engine.url}")


async def test_an_engine_that_only_lists_its_models_is_no_gateway() -> None:
    async def models(exchange: Exchange) -> None:
        await exchange.json({"object": "list", "data": [{"id": "m"}]})

    async with scripted_engine(script=models, metrics_status="404 Not Found") as engine:
        (found,) = (await examined(engine.url)).values()
    assert found.message == "is an inference server of an unknown kind and no gateway"


async def test_another_server_is_no_gateway() -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.json({"hello": "world"})

    async with scripted_engine(script=page, metrics_status="404 Not Found") as engine:
        (found,) = (await examined(engine.url)).values()
    assert found.code == "no_gateway"
    assert "--engine" in found.fix


async def test_a_gateway_of_another_version_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistaken, "READY_PATH", "/no-such-path")
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway, httpx.AsyncClient() as client:
        assert await mistaken.is_gateway(gateway.url, client)
        assert not await mistaken.is_gateway(engine.url, client)


async def test_a_gateway_with_private_metrics_is_no_engine() -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, private_metrics=True, admin_listen=f"127.0.0.1:{free_port()}") as gateway,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        (found,) = await EngineExamination(gateway.url, client, KINDS).run()
        assert found.code == "is_gateway"
    assert (await private_gateway(403))["private_gateway"].fix == "give that address: --gateway http://HOST:9300"


async def private_gateway(status: int) -> dict[str, Finding]:
    """The examination of a gateway on another machine, whose main port does not show its state."""
    body = {"error": {"message": "", "code": "not_here"}}
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status, json=body))) as client:
        return {each.code: each for each in await examine_gateway("http://gateway:8300", client, KINDS)}


async def test_a_gateway_is_no_engine_although_metrics_url_names_the_pages_of_one() -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url) as gateway,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        pages = [parse_page(f"{engine.url}/metrics")]
        (found,) = await EngineExamination(gateway.url, client, KINDS, pages=pages).run()
        assert found.code == "is_gateway"


async def test_a_gateway_is_no_engine() -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url) as gateway,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        (found,) = await EngineExamination(gateway.url, client, KINDS).run()
        assert (found.code, found.severity) == ("is_gateway", Severity.ERROR)
        assert found.fix.endswith(f"concur-proxy doctor --gateway {gateway.url}")
        assert not [each for each in engine.received if each.method == "POST"], "it asks nothing through the gateway"
