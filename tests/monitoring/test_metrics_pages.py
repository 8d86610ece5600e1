"""Engines whose metrics are at other servers, over HTTP: routers, disaggregated pairs and Ray."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from concur_proxy import plugins
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.pages import MetricsPage, Role
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.monitoring.scraper import LEFT_OUT_AFTER_S, EngineScraper
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer, scripted_engine
from tests.lab.server.test_server import running
from tests.monitoring.metrics_endpoint import MetricsEndpoint, metrics_endpoint
from tests.monitoring.metrics_endpoint import answer as text_answer

USAGE = {"prompt_tokens": 120, "completion_tokens": 2, "total_tokens": 122}
PROMPT = [{"role": "user", "content": "hello " * 100}]


def exposition(*, blocks: int, running: int = 1, queries: int = 0, hits: int = 0) -> str:
    return (
        f"vllm:kv_cache_usage_perc 0.25\nvllm:num_requests_running {running}\nvllm:num_requests_waiting 0\n"
        f"vllm:prefix_cache_queries_total {queries}\nvllm:prefix_cache_hits_total {hits}\n"
        f'vllm:cache_config_info{{block_size="16",num_gpu_blocks="{blocks}",num_gpu_blocks_override="{blocks}"}} 1\n'
    )


class Scraping:
    """A scraper of two pages with a clock that the test moves."""

    def __init__(self, client: httpx.AsyncClient, *pages: MetricsPage) -> None:
        self.samples: list[tuple[IntervalRates, EngineSample]] = []
        self.failures: list[str] = []
        self.now = 0.0
        self.scraper = EngineScraper(
            [(page, client) for page in pages],
            kinds=KnownKinds(plugins.load_engine_kinds()),
            timeout_s=5.0,
            on_samples={None: lambda rates, sample: self.samples.append((rates, sample))},
            on_failure=lambda reason, **_: self.failures.append(reason),
            clock=lambda: self.now,
        )


@asynccontextmanager
async def scraping(*roles: Role) -> AsyncIterator[tuple[Scraping, list[MetricsEndpoint]]]:
    async with (
        metrics_endpoint(text_answer(exposition(blocks=100, queries=500, hits=100))) as one,
        metrics_endpoint(text_answer(exposition(blocks=300, running=3, queries=900, hits=800))) as two,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        pages = [MetricsPage(url=f"{each.url}/m", role=role) for each, role in zip((one, two), roles, strict=True)]
        yield Scraping(client, *pages), [one, two]


async def test_the_named_page_is_read_and_nothing_else() -> None:
    async with scraping(Role.WHOLE, Role.WHOLE) as (each, endpoints):
        await each.scraper.scrape()
        assert [endpoint.targets for endpoint in endpoints] == [["/m"], ["/m"]]
        ((rates, _),) = each.samples
        assert (rates.running, rates.capacity_tokens) == (4, 6_400)


async def test_rates_are_made_page_by_page_so_that_a_lost_page_is_no_restart() -> None:
    async with scraping(Role.WHOLE, Role.WHOLE) as (each, (one, two)):
        await each.scraper.scrape()
        two.respond = text_answer("", status="503 Down")
        each.now = LEFT_OUT_AFTER_S - 1
        await each.scraper.scrape()
        assert each.failures == [f"{two.url}/m answers 503"]
        each.now = LEFT_OUT_AFTER_S
        one.respond = text_answer(exposition(blocks=100, queries=700, hits=250))
        await each.scraper.scrape()
        rates, _ = each.samples[-1]
        assert (rates.running, rates.capacity_tokens, rates.restarted) == (1, 1_600, False)
        assert (rates.hit_tokens, rates.prefilled_tokens) == (150, 50)
        two.respond = text_answer(exposition(blocks=300, running=3, queries=1_000, hits=880))
        await each.scraper.scrape()
        rates, _ = each.samples[-1]
        assert (rates.capacity_tokens, rates.hit_tokens, rates.restarted) == (6_400, 80, False)


async def test_a_pair_is_not_read_without_one_of_its_sides() -> None:
    async with scraping(Role.PREFILL, Role.DECODE) as (each, (_, two)):
        two.respond = text_answer("", status="503 Down")
        each.now = 10 * LEFT_OUT_AFTER_S
        await each.scraper.scrape()
        assert not each.samples
        assert len(each.failures) == 1


async def test_a_disaggregated_pair_of_emulated_engines_behind_a_proxy() -> None:
    """The proxy sends each prompt to the prefill server, then to the decode server, and answers as that one does."""
    async with (
        running(capacity_tokens=4_096, cached_tokens=True) as prefill,
        running(capacity_tokens=8_192, cached_tokens=True) as decode,
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):

        async def proxy(exchange: Exchange) -> None:
            for server in (prefill, decode):
                asked = {"model": "emulated", "messages": PROMPT, "max_tokens": 2}
                (await client.post(f"{server}/v1/chat/completions", json=asked)).raise_for_status()
            usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": USAGE["prompt_tokens"]}}
            await exchange.json({**answer(), "usage": usage})

        async with scripted_engine(script=proxy) as engine:
            pages = [f"{engine.url}={prefill}/metrics#prefill", f"{engine.url}={decode}/metrics#decode"]
            async with running_gateway(engine.url, metrics_url=pages, engine_api_key="secret") as gateway:
                monitor = gateway.app.monitors[0]
                await gateway.until(lambda: monitor.rates is not None and monitor.has_answered, "signals and contact")
                for _ in range(3):
                    assert (await gateway.chat("a", messages=PROMPT)).status_code == 200
                await gateway.until(lambda: bool(monitor.rates and monitor.rates.running == 0), "idle")
                (state,) = (await gateway.client.get("/readyz")).json()["engines"]
                assert (state["kind"], state["signals"], state["problem"]) == ("vllm", "fresh", None)
                assert monitor.rates is not None
                assert monitor.rates.capacity_tokens == 4_096
                assert monitor.tokens.counts_transferred
                # what the decode server calls cached came from the prefill server
                assert gateway.snapshot().told_tokens == 0
            assert not engine.scrapes


async def test_silent_metrics_elsewhere_do_not_open_the_circuit() -> None:
    async with scripted_engine(models=["m"]) as engine:
        settings: dict[str, object] = {"metrics_url": [f"{engine.url}=http://127.0.0.1:9/metrics"]}
        settings |= {"health_interval_s": 0, "scrape_interval_s": 0.02}
        async with running_gateway(engine.url, **settings) as gateway:
            monitor = gateway.app.monitors[0]
            await gateway.until(lambda: monitor.scrape_failures > 10 and monitor.has_answered, "failed scrapes")
            assert monitor.is_up
            assert "127.0.0.1:9/metrics: connection refused" in str(monitor.failure)
            assert (await gateway.chat("a")).status_code == 200


@pytest.mark.parametrize("key", [None, "secret"])
async def test_a_page_at_another_server_does_not_get_the_engines_key(key: str | None) -> None:
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        body = exposition(blocks=100)
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    page = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
    async with server, scripted_engine() as engine:
        asked: dict[str, object] = {} if key is None else {"engine_api_key": key}
        async with running_gateway(engine.url, metrics_url=[f"{engine.url}={page}"], **asked) as gateway:
            await gateway.until(lambda: len(seen) > 1, "scrapes")
    assert all("authorization" not in head for head in seen)
