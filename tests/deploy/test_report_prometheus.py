"""The report of a day without a recording, from a real Prometheus that scrapes a gateway."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping

import httpx
import pytest

from concur_proxy.cli.report import main
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.report.measured import Measured
from concur_proxy.lab.report.prometheus import SERVED, PrometheusReader, TimeRange
from tests.deploy.prometheus_server import Prometheus, prometheus
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer, scripted_engine

TURNS = 12


def measured(server: Prometheus) -> Measured:
    url = str(server._client.base_url)
    with httpx.Client(base_url=url, trust_env=False) as client:
        return PrometheusReader(client, TimeRange.before(time.time(), 60.0)).measure(url)


def tokens_seen(server: Prometheus) -> float:
    """0 before the second scrape of a counter: Prometheus cannot tell its increase then."""
    try:
        return measured(server).totals.prompt_tokens
    except TraceProblem:
        return 0


async def cached(exchange: Exchange) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 400}}
    await exchange.json({**answer(), "usage": usage})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.2)


async def test_it_reads_what_the_gateway_counted(capsys: pytest.CaptureFixture[str]) -> None:
    async with (
        scripted_engine(script=cached) as engine,
        running_gateway(engine.url, mode="observe") as gateway,
        prometheus(gateway.url.removeprefix("http://")) as server,
    ):
        with pytest.raises(TraceProblem, match="does it scrape a gateway"):
            await asyncio.to_thread(measured, server)
        # the first answer makes the series; an increase is seen from their first scrape on
        await gateway.chat("agent")
        while not await server.query("concur_queue_wait_seconds_count"):
            await asyncio.sleep(0.1)
        for _ in range(TURNS):
            await gateway.chat("agent")
        await until(lambda: tokens_seen(server) >= 1000 * TURNS)
        found = await asyncio.to_thread(measured, server)
        totals = found.totals
        # Prometheus may double the increase between two scrapes, because it extrapolates
        assert TURNS <= totals.requests <= 2.1 * TURNS
        assert totals.cached_tokens == pytest.approx(0.4 * totals.prompt_tokens, rel=0.01)
        assert totals.recomputed_share == pytest.approx(0.6, abs=0.15)
        assert totals.unrecognised == 0
        assert totals.turns.count == pytest.approx(totals.requests, rel=0.25)
        assert 0 < totals.turns.mean < 1.0
        assert totals.waits.quantile(0.95) == 0.0
        assert found.by_model == {}
        url = str(server._client.base_url)
        assert await asyncio.to_thread(main, ["--prometheus", url, "--since", "1m"]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "Would have waited 0 sessions" in shown
    assert "above a tenth, control is worth trying" in shown


async def test_it_divides_the_tokens_by_tenant() -> None:
    async with (
        scripted_engine(script=cached) as engine,
        running_gateway(engine.url, tenant_header="x-team") as gateway,
        prometheus(gateway.url.removeprefix("http://")) as server,
    ):

        async def ask(tenant: str) -> None:
            headers, body = {"x-team": tenant}, {"model": "m", "messages": [{"role": "user", "content": tenant}]}
            await gateway.client.post("/v1/chat/completions", json=body, headers=headers)

        served = f'{SERVED}{{tenant=~"research|coding"}}'
        while len(await server.query(served)) < 2:
            await asyncio.gather(ask("research"), ask("coding"))
        for _ in range(TURNS):
            await asyncio.gather(ask("research"), ask("research"), ask("research"), ask("coding"))
        await until(lambda: _found(server).get("research", 0.0) >= 1000 * 3 * TURNS)
        found = await asyncio.to_thread(_found, server)
        assert next(iter(found)) == "research"
        assert 2.0 < found["research"] / found["coding"] <= 3.5


def _found(server: Prometheus) -> Mapping[str, float]:
    try:
        return measured(server).served_by_tenant
    except TraceProblem:  # nothing was scraped twice yet
        return {}


async def test_what_is_no_answer_of_prometheus_is_reported() -> None:
    long_ago = TimeRange(began_at=0.0, ended_at=time.time(), width_s=1.0)
    async with scripted_engine() as engine, prometheus() as server:
        for url, says in ((engine.url, "not as Prometheus does"), (server._client.base_url, "maximum resolution")):
            with httpx.Client(base_url=url, trust_env=False) as client:
                reader = PrometheusReader(client, long_ago)
                with pytest.raises(TraceProblem, match=says):
                    await asyncio.to_thread(reader.measure, "x")


def test_the_time_is_divided_into_whole_spans() -> None:
    day = TimeRange.before(1e9, 86400.0)
    assert (day.width_s, day.ended_at - day.began_at) == (3600.0, 86400.0)
    odd = TimeRange.before(1e9, 100.0)
    assert (odd.width_s, odd.ended_at - odd.began_at) == (60.0, 120.0)
