"""The emulated engine in both flavours, a scripted SGLang, and servers that are not engines."""

from collections.abc import Sequence

import httpx
import pytest

from concur_proxy import plugins
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.pages import MetricsPage, parse_page
from tests.http.scripted_engine import Exchange, Script, answer, model_list, scripted_engine
from tests.lab.server.test_server import running

KINDS = KnownKinds(plugins.load_engine_kinds())


async def examined(
    url: str, timeout_s: float = 10.0, *, capacity_tokens: int | None = None, pages: Sequence[MetricsPage] = ()
) -> dict[str, Finding]:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=timeout_s) as client:  # noqa: S501 - no TLS here
        examination = EngineExamination(url, client, KINDS, capacity_tokens=capacity_tokens, pages=pages)
        return {finding.code: finding for finding in await examination.run()}


@pytest.mark.parametrize(
    ("flavour", "flag"), [("vllm", "--enable-prompt-tokens-details"), ("sglang", "--enable-cache-report")]
)
async def test_the_emulated_engine_in_both_flavours(flavour: str, flag: str) -> None:
    async with running(flavour=flavour, cached_tokens=True) as url:
        found = await examined(url)
    assert found.keys() == {"kind", "models", "signals", "cached_tokens"}
    assert found["kind"].message.startswith(f"is {flavour}")
    assert all(finding.severity is Severity.OK for finding in found.values())
    async with running(flavour=flavour, cached_tokens=False) as url:
        found = await examined(url)
    assert found["no_cached_tokens"].severity is Severity.WARNING
    assert found["no_cached_tokens"].fix == f"start it with {flag}"


def an_sglang(**arguments: object) -> Script:
    async def script(exchange: Exchange) -> None:
        if exchange.request.target == "/get_server_info":
            await exchange.json({"version": "0.5.5", "disable_radix_cache": False, "api_key": "hush", **arguments})
        elif exchange.request.target == "/v1/models":
            await exchange.json(model_list("m"))
        elif exchange.request.target == "/v1/chat/completions":
            await exchange.json(answer())
        else:
            await exchange.json({"detail": "Not Found"}, status="404 Not Found")

    return script


async def test_an_sglang_without_metrics_and_cache() -> None:
    script = an_sglang(disable_radix_cache=True)
    async with scripted_engine(script=script, metrics_status="404 Not Found") as engine:
        found = await examined(engine.url)
    assert found["kind"].message == "is sglang 0.5.5"
    assert found["no_signals"].severity is Severity.ERROR
    assert found["no_signals"].fix == "start it with --enable-metrics"
    assert found["no_prefix_cache"].severity is Severity.ERROR
    assert found["no_cached_tokens"].fix == "start it with --enable-cache-report"
    assert "hush" not in str(found)


async def test_missing_signals_are_named() -> None:
    metrics = 'vllm:num_requests_running{engine="0"} 0\n'
    async with scripted_engine(metrics=metrics, script=an_sglang()) as engine:
        found = await examined(engine.url)
    assert found["missing_signals"].severity is Severity.ERROR
    assert "KV-cache usage, waiting requests" in found["missing_signals"].message


HYBRID = 'vllm:num_requests_running{engine="0"} 0\nvllm:cache_config_info{num_gpu_blocks="320",block_size="16"} 1\n'


async def test_a_cache_smaller_than_the_prompts_it_accepts_is_misreported() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.request.target == "/v1/models":
            await exchange.json({"data": [{"id": "m", "max_model_len": 131_072}]})
        else:
            await an_sglang()(exchange)

    async with scripted_engine(metrics=HYBRID, script=script) as engine:
        found = await examined(engine.url)
        assert found["capacity_misreported"].severity is Severity.WARNING
        assert "5120 tokens, but it accepts prompts of 131072" in found["capacity_misreported"].message
        assert "capacity_tokens" in found["capacity_misreported"].fix
        found = await examined(engine.url, capacity_tokens=463_459)
    assert found["capacity_set"].severity is Severity.OK
    assert "5120 tokens; the gateway uses 463459" in found["capacity_set"].message
    assert "capacity_misreported" not in found


async def test_a_server_that_is_no_engine() -> None:
    async with scripted_engine(metrics="up 1\n", script=an_sglang()) as engine:
        found = await examined(f"{engine.url}/elsewhere")
    assert found.keys() == {"no_engine"}
    assert found["no_engine"].severity is Severity.ERROR


async def test_a_dead_port() -> None:
    found = await examined("http://127.0.0.1:9")
    assert found.keys() == {"unreachable"}
    assert found["unreachable"].severity is Severity.ERROR


async def test_a_server_that_is_silent() -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.client_left()

    async with scripted_engine(metrics_script=silent) as engine:
        assert (await examined(engine.url, timeout_s=0.2)).keys() == {"silent"}


async def test_a_server_that_speaks_no_http() -> None:
    async def rude(exchange: Exchange) -> None:
        await exchange.send(b"SSH-2.0-other\r\n\r\n")

    async with scripted_engine(metrics_script=rude) as engine:
        assert (await examined(engine.url)).keys() == {"no_http"}


async def test_metrics_at_other_servers_are_examined_there() -> None:
    async with (
        running(capacity_tokens=4_096) as prefill,
        running(capacity_tokens=8_192) as decode,
        scripted_engine(metrics_status="404 Not Found", script=an_sglang()) as engine,
    ):
        pages = [parse_page(f"{prefill}/metrics#prefill"), parse_page(f"{decode}/metrics#decode")]
        found = await examined(engine.url, pages=pages)
        assert found["metrics_url"].message == f"has its metrics at {prefill}/metrics, {decode}/metrics"
        assert "its cache holds 4096 tokens" in found["signals"].message
        wrong = await examined(engine.url, pages=[*pages[:1], parse_page(f"{decode}/v1/models#decode")])
    assert (wrong["no_signals"].subject, wrong["no_signals"].severity) == (f"{decode}/v1/models", Severity.ERROR)
    assert "signals" not in wrong
