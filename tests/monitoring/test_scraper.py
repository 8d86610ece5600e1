import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from concur_proxy import plugins
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.kinds.vllm.kind import Vllm
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.monitoring.loop import JITTER
from concur_proxy.monitoring.page_reader import MAX_BODY_BYTES
from concur_proxy.monitoring.scraper import EngineScraper
from tests.captures import capture
from tests.contracts.added_plugin import added_plugin
from tests.coordination.virtual_time import in_virtual_time, virtual_loop
from tests.monitoring.metrics_endpoint import Respond, answer, cut_short, metrics_endpoint, silence

USAGE = "vllm:kv_cache_usage_perc 0.5\n"


class Listener:
    """Records what a scraper reported."""

    def __init__(self) -> None:
        self.samples: list[tuple[IntervalRates, EngineSample]] = []
        self.failures: list[tuple[str, bool | None]] = []
        self._news = asyncio.Event()

    def on_sample(self, rates: IntervalRates, sample: EngineSample) -> None:
        """Record a reading."""
        self.samples.append((rates, sample))
        self._news.set()

    def on_failure(self, reason: str, *, reachable: bool | None) -> None:
        """Record a scrape without an answer."""
        self.failures.append((reason, reachable))
        self._news.set()

    async def more(self, *, samples: int = 0, failures: int = 0) -> None:
        """Wait for this many more samples and failures."""
        samples, failures = samples + len(self.samples), failures + len(self.failures)
        async with asyncio.timeout(10):
            while len(self.samples) < samples or len(self.failures) < failures:
                self._news.clear()
                await self._news.wait()


def scraper(url: str, client: httpx.AsyncClient, listener: Listener, *, timeout_s: float = 5.0) -> EngineScraper:
    return EngineScraper(
        [(url, client)],
        kinds=KnownKinds(plugins.load_engine_kinds()),
        timeout_s=timeout_s,
        on_samples={None: listener.on_sample},
        on_failure=listener.on_failure,
    )


async def scrape(url: str, *, timeout_s: float = 5.0) -> Listener:
    listener = Listener()
    async with httpx.AsyncClient(trust_env=False) as client:
        await scraper(url, client, listener, timeout_s=timeout_s).scrape()
    assert len(listener.samples) + len(listener.failures) == 1
    return listener


@asynccontextmanager
async def scraping(*scrapers: EngineScraper, interval_s: float = 0.01) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run(interval_s=interval_s)) for each in scrapers]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(("name", "capacity"), [("vllm", 8192), ("sglang", 6144)])
async def test_a_real_exposition_is_read_and_its_engine_recognised(name: str, capacity: int) -> None:
    async with metrics_endpoint(answer(capture(name))) as endpoint:
        ((rates, sample),) = (await scrape(endpoint.url)).samples
        assert endpoint.targets == ["/metrics"]
    assert (sample.kind, sample.capacity_tokens) == (name, capacity)
    assert (rates.capacity_tokens, rates.hit_rate) == (capacity, None)


async def test_a_base_path_is_kept() -> None:
    async with metrics_endpoint(answer(USAGE)) as endpoint:
        assert (await scrape(f"{endpoint.url}/gpu/1")).samples
        assert endpoint.targets == ["/gpu/1/metrics"]


async def test_a_compressed_exposition_is_not_read_because_it_could_be_of_any_size() -> None:
    body = gzip.compress(capture("vllm").encode())
    async with metrics_endpoint(answer(body, headers="content-encoding: gzip\r\n")) as endpoint:
        ((reason, _),) = (await scrape(endpoint.url)).failures
    assert "compressed" in reason


async def test_an_exposition_in_tiny_chunks_is_given_up_and_stops_nothing() -> None:
    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000)
        await writer.drain()

    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    counter = asyncio.create_task(count())
    async with metrics_endpoint(respond) as endpoint:
        ((reason, _),) = (await scrape(endpoint.url)).failures
    counter.cancel()
    assert "chunks" in reason
    assert rounds > 100


async def test_a_redirect_on_the_same_server_is_followed() -> None:
    redirect = answer("", status="307 Temporary Redirect", headers="location: /metrics/\r\n")

    async def respond(writer: asyncio.StreamWriter) -> None:
        await (redirect if len(endpoint.targets) == 1 else answer(USAGE))(writer)

    async with metrics_endpoint(respond) as endpoint:
        assert (await scrape(endpoint.url)).samples
        assert endpoint.targets == ["/metrics", "/metrics/"]


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/metrics", "http://localhost/metrics", "http://[", "/x"])
async def test_other_redirects_and_endless_ones_are_not_followed(location: str) -> None:
    redirect = answer("", status="302 Found", headers=f"location: {location}\r\n")
    async with metrics_endpoint(redirect) as endpoint:
        ((reason, _),) = (await scrape(endpoint.url)).failures
        assert "answers 302" in reason
        assert len(endpoint.targets) <= 4 * 2


async def test_bytes_that_are_no_utf_8_lose_only_their_line() -> None:
    body = b"vllm:num_requests_running \xff\xfe\n" + USAGE.encode()
    async with metrics_endpoint(answer(body)) as endpoint:
        ((_, sample),) = (await scrape(endpoint.url)).samples
    assert (sample.kv_usage, sample.running) == (0.5, None)


@pytest.mark.parametrize(
    ("respond", "reason", "reachable"),
    [
        (answer("", status="404 Not Found"), "/metrics answers 404", True),
        (answer("", status="500 Internal Server Error"), "/metrics answers 500", True),
        (answer("", status="401 Unauthorized"), "/metrics answers 401", True),
        (answer("", status="307 Temporary Redirect", headers="location: /m\r\n"), "/metrics answers 307", True),
        (answer(""), "exports no series of a known engine", True),
        (answer("<html>it works</html>"), "exports no series of a known engine", True),
        (answer("process_start_time_seconds 1\nup 1\n"), "exports no series of a known engine", True),
        (answer("vllm:kv_cache_usage_perc oops\n"), "exports malformed series", True),
        (answer(b"x" * 50, headers="content-encoding: gzip\r\n"), "/metrics answers with more than", True),
        (answer(b"#" * (MAX_BODY_BYTES + 1)), f"/metrics answers with more than {MAX_BODY_BYTES} bytes", True),
        (cut_short(USAGE), "/metrics: ", None),
    ],
)
async def test_an_answer_without_signals_is_a_failure_with_its_reason(
    respond: Respond, reason: str, *, reachable: bool | None
) -> None:
    async with metrics_endpoint(respond) as endpoint:
        ((told, was_reachable),) = (await scrape(endpoint.url)).failures
        assert endpoint.url in told
    assert reason in told
    assert not told.endswith(": ")
    assert was_reachable is reachable


async def test_no_answer_in_time_is_a_failure_that_does_not_call_the_engine_dead() -> None:
    async with metrics_endpoint(silence) as endpoint:
        ((reason, reachable),) = (await scrape(endpoint.url, timeout_s=0.05)).failures
        assert reason == f"no answer from {endpoint.url}/metrics within 0.05 s"
    assert reachable is None


async def test_a_body_that_drips_for_ever_is_cut_off_by_the_same_time_out() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"# still here\n")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with metrics_endpoint(drip) as endpoint:
        ((reason, _),) = (await scrape(endpoint.url, timeout_s=0.1)).failures
    assert "within 0.1 s" in reason


async def test_a_refused_connection_says_that_the_engine_cannot_be_reached() -> None:
    ((reason, reachable),) = (await scrape(f"http://127.0.0.1:{unused_port()}")).failures
    assert reason.endswith("/metrics: connection refused")
    assert reachable is False


async def test_a_server_that_speaks_no_http_is_not_taken_for_a_dead_one() -> None:
    async def babble(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    async with metrics_endpoint(babble) as endpoint:
        ((_, reachable),) = (await scrape(endpoint.url)).failures
    assert reachable is None


async def test_an_engine_that_starts_after_the_proxy_is_read_as_soon_as_it_answers() -> None:
    port, listener = unused_port(), Listener()
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        scraping(scraper(f"http://127.0.0.1:{port}", client, listener)),
    ):
        await listener.more(failures=2)
        config = 'vllm:cache_config_info{num_gpu_blocks="None",block_size="16"} 1\n'
        async with metrics_endpoint(answer(USAGE + config), port=port) as endpoint:
            await listener.more(samples=2)
            assert listener.samples[-1][0].capacity_tokens is None
            endpoint.respond = answer(USAGE + config.replace("None", "100"))
            await listener.more(samples=2)
            assert listener.samples[-1][0].capacity_tokens == 1600


async def test_an_engine_restarted_in_between_is_noticed_and_its_capacity_read_anew() -> None:
    def state(started: int, queries: int, blocks: int) -> Respond:
        return answer(
            f"process_start_time_seconds {started}\n{USAGE}"
            f"vllm:prefix_cache_queries_total {queries}\nvllm:prefix_cache_hits_total {queries / 2}\n"
            f'vllm:cache_config_info{{num_gpu_blocks="{blocks}",block_size="16"}} 1\n'
        )

    listener = Listener()
    async with httpx.AsyncClient(trust_env=False) as client:
        async with metrics_endpoint(state(100, 10_000, 512)) as endpoint:
            port = int(endpoint.url.rpartition(":")[2])
            loop = scraper(endpoint.url, client, listener)
            await loop.scrape()
            endpoint.respond = state(100, 11_000, 512)
            await loop.scrape()
        await loop.scrape()  # maybe on the connection that the dead engine leaves behind
        await loop.scrape()
        async with metrics_endpoint(state(200, 20_000, 256), port=port) as endpoint:
            await loop.scrape()
            endpoint.respond = state(200, 20_500, 256)
            await loop.scrape()
    assert [rates.restarted for rates, _ in listener.samples] == [False, False, True, False]
    assert [rates.hit_rate for rates, _ in listener.samples] == [None, 0.5, None, 0.5]
    assert [rates.capacity_tokens for rates, _ in listener.samples] == [8192, 8192, 4096, 4096]
    assert listener.failures[-1][1] is False


async def test_a_slow_engine_delays_no_other() -> None:
    slow, quick = Listener(), Listener()
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        metrics_endpoint(silence) as hanging,
        metrics_endpoint(answer(USAGE)) as healthy,
        scraping(
            scraper(hanging.url, client, slow, timeout_s=60.0), scraper(healthy.url, client, quick, timeout_s=60.0)
        ),
    ):
        await quick.more(samples=20)
        assert hanging.scrapes == 1
        assert not slow.samples
        assert not slow.failures


RAISING = """
from concur_proxy.engines.kind import EngineKind

class Raising(EngineKind):
    name = "raising"

    def wants(self, sample_name):
        return sample_name.startswith("raising")

    def recognises(self, exposition):
        return "raising_now" in exposition.series

    def read(self, exposition, *, at):
        raise RuntimeError("a plug-in's slip")


def build():
    return Raising()
"""


async def test_a_plugin_that_raises_costs_its_rounds_and_not_the_loop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    with added_plugin(plugins.ENGINE_KINDS.package, "raising", RAISING, tmp_path):
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            metrics_endpoint(answer("raising_now 1\n")) as endpoint,
            scraping(scraper(endpoint.url, client, listener)),
        ):
            await listener.more(failures=3)
            assert listener.failures[0][0] == f"{endpoint.url}: RuntimeError: a plug-in's slip"
            endpoint.respond = answer(USAGE)
            await listener.more(samples=1)
            endpoint.respond = answer("raising_now 1\n")
            await listener.more(failures=2)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2, "once an episode"
    assert "a plug-in's slip" in (errors[0].exc_text or "")


async def test_listeners_that_raise_cost_their_rounds_and_not_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Listener):
        def on_sample(self, rates: IntervalRates, sample: EngineSample) -> None:
            super().on_sample(rates, sample)
            raise RuntimeError("no room for a sample")

        def on_failure(self, reason: str, *, reachable: bool | None) -> None:
            super().on_failure(reason, reachable=reachable)
            raise RuntimeError("no room for a failure")

    listener = Failing()
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        metrics_endpoint(answer(USAGE)) as endpoint,
        scraping(scraper(endpoint.url, client, listener)),
    ):
        await listener.more(samples=3, failures=3)
        endpoint.respond = answer("", status="500 Oh")
        await listener.more(failures=3)
    texts = "\n".join(record.exc_text or "" for record in caplog.records)
    assert "no room for a sample" in texts
    assert "no room for a failure" in texts


def in_process(handler: httpx.AsyncBaseTransport) -> tuple[list[float], EngineScraper, httpx.AsyncClient]:
    """A scraper of one second without a socket, and the times of its readings."""
    loop, times = virtual_loop(), list[float]()
    client = httpx.AsyncClient(transport=handler)
    each = EngineScraper(
        [("http://engine", client)],
        kinds=KnownKinds(plugins.load_engine_kinds()),
        timeout_s=10.0,
        on_samples={None: lambda rates, _: times.append(rates.now)},
        on_failure=lambda *_, **__: None,
        clock=loop.time,
    )
    return times, each, client


@in_virtual_time
async def test_scrapes_keep_their_interval_with_a_jitter_within_its_bounds() -> None:
    times, each, client = in_process(httpx.MockTransport(lambda _: httpx.Response(200, text=USAGE)))
    async with client, scraping(each, interval_s=1.0):
        await asyncio.sleep(300)
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) > 250
    assert all(1 - JITTER - 1e-6 <= gap <= 1 + JITTER + 1e-6 for gap in gaps)
    assert len({round(gap, 3) for gap in gaps}) > 50
    assert sum(gaps) / len(gaps) == pytest.approx(1.0, abs=JITTER / 4)


@in_virtual_time
async def test_an_interval_counts_from_start_to_start_and_a_slow_scrape_is_not_overtaken() -> None:
    took = iter([0.5, 3.0, 0.5, 0.5])
    at_once = 0
    most = 0

    async def slowly(request: httpx.Request) -> httpx.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(next(took, 0.5))
        at_once -= 1
        return httpx.Response(200, text=USAGE)

    times, each, client = in_process(httpx.MockTransport(slowly))
    async with client, scraping(each, interval_s=1.0):
        await asyncio.sleep(6.5)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[0] == pytest.approx(1.0 + 2.5, abs=JITTER)
    assert gaps[1] == pytest.approx(0.5, abs=1e-6)
    assert gaps[2] == pytest.approx(1.0, abs=JITTER)
    assert most == 1


async def test_a_cancelled_scraper_stops_at_once_even_in_the_middle_of_a_scrape() -> None:
    listener = Listener()
    async with httpx.AsyncClient(trust_env=False) as client, metrics_endpoint(silence) as endpoint:
        task = asyncio.create_task(scraper(endpoint.url, client, listener, timeout_s=60.0).run(interval_s=0.01))
        async with asyncio.timeout(10):
            while not endpoint.scrapes:
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not listener.failures


class Elsewhere(Vllm):
    """vLLM with its metrics at another path."""

    name = "elsewhere"
    metrics_path = "/deep/metrics"


async def test_each_metrics_path_is_tried_and_the_one_that_was_right_is_remembered() -> None:
    async def respond(writer: asyncio.StreamWriter) -> None:
        text = USAGE if endpoint.targets[-1] == "/deep/metrics" else "{}"
        await answer(text)(writer)

    listener, kinds = Listener(), KnownKinds([Vllm(), Elsewhere()])
    async with httpx.AsyncClient(trust_env=False) as client, metrics_endpoint(respond) as endpoint:
        each = EngineScraper(
            [(endpoint.url, client)],
            kinds=kinds,
            timeout_s=5.0,
            on_samples={None: listener.on_sample},
            on_failure=listener.on_failure,
        )
        await each.scrape()
        await each.scrape()
        assert endpoint.targets == ["/metrics", "/deep/metrics", "/deep/metrics"]
        endpoint.respond = answer(USAGE)
        await each.scrape()
        endpoint.respond = answer("", status="404 Not Found")
        await each.scrape()
    assert [sample.kind for _, sample in listener.samples] == ["elsewhere"] * 3
    (failure,) = listener.failures
    assert failure == (f"{endpoint.url}/deep/metrics answers 404; {endpoint.url}/metrics answers 404", True)
