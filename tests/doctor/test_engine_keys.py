"""Engines that were started with --api-key. vLLM then locks /v1, and SGLang everything except /health and /metrics."""

import httpx
import pytest

from concur_proxy import plugins
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.kind import KnownKinds
from tests.captures import capture
from tests.http.scripted_engine import Exchange, Script, answer, model_list, scripted_engine

KINDS = KnownKinds(plugins.load_engine_kinds())


KEY = "sk-hush"


def locked(version_path: str, *, open_paths: tuple[str, ...]) -> Script:
    """An engine whose other paths need the key."""

    async def script(exchange: Exchange) -> None:
        path = exchange.request.target
        if path not in open_paths and exchange.request.header("authorization") != f"Bearer {KEY}":
            await exchange.json({"error": "Unauthorized"}, status="401 Unauthorized")
        elif path == "/v1/chat/completions":
            usage = {"prompt_tokens": 500, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 496}}
            await exchange.json({**answer(), "usage": usage})
        elif path == "/v1/models":
            await exchange.json(model_list("m"))
        elif path == version_path:
            await exchange.json({"version": "1.2.3", "disable_radix_cache": False, "api_key": KEY})
        else:
            await exchange.json({"detail": "Not Found"}, status="404 Not Found")

    return script


VLLM = locked("/version", open_paths=("/version",))
SGLANG = locked("/get_server_info", open_paths=())


async def examined(url: str, api_key: str | None) -> dict[str, Finding]:
    async with httpx.AsyncClient(trust_env=False) as client:
        findings = await EngineExamination(url, client, KINDS, api_key=api_key).run()
    assert KEY not in str(findings)
    assert len({finding.code for finding in findings}) == len(findings)
    return {finding.code: finding for finding in findings}


BOTH = pytest.mark.parametrize(("name", "script"), [("vllm", VLLM), ("sglang", SGLANG)])


@BOTH
async def test_with_its_key_all_is_well(name: str, script: Script) -> None:
    async with scripted_engine(script=script, metrics=capture(name)) as engine:
        found = await examined(engine.url, KEY)
    assert found["kind"].message == f"is {name} 1.2.3"
    assert found.keys() == {"kind", "models", "signals", "cached_tokens"}
    assert all(finding.severity is Severity.OK for finding in found.values())


@BOTH
async def test_without_a_key_it_says_how_to_give_one(name: str, script: Script) -> None:
    async with scripted_engine(script=script, metrics=capture(name)) as engine:
        found = await examined(engine.url, None)
    assert found.keys() == {"kind", "signals", "wants_key"}
    assert found["kind"].message.startswith(f"is {name}")
    assert found["wants_key"].severity is Severity.WARNING
    assert found["wants_key"].message.startswith("wants a key (401)")
    assert "CONCUR_ENGINE_API_KEY" in found["wants_key"].fix


@BOTH
async def test_a_wrong_key_is_told(name: str, script: Script) -> None:
    async with scripted_engine(script=script, metrics=capture(name)) as engine:
        found = await examined(engine.url, "sk-other")
    assert found.keys() == {"kind", "signals", "wrong_key"}
    assert found["wrong_key"].message.startswith("refuses engine_api_key (401)")


async def test_an_sglang_of_which_nothing_can_be_seen_is_no_stranger() -> None:
    async with scripted_engine(script=SGLANG, metrics_status="404 Not Found") as engine:
        found = await examined(engine.url, None)
    assert found.keys() == {"kind", "wants_key", "no_signals"}


async def test_metrics_behind_a_key() -> None:
    async with scripted_engine(script=VLLM, metrics_status="401 Unauthorized") as engine:
        found = await examined(engine.url, None)
    assert found["no_signals"].severity is Severity.ERROR
    assert found["no_signals"].fix == "set its key as engine_api_key, or make /metrics readable without a key"


async def test_a_key_for_completions_alone() -> None:
    script = locked("/version", open_paths=("/version", "/v1/models"))
    async with scripted_engine(script=script, metrics=capture("vllm")) as engine:
        assert (await examined(engine.url, None)).keys() == {"kind", "models", "signals", "wants_key"}
        assert (await examined(engine.url, KEY)).keys() == {"kind", "models", "signals", "cached_tokens"}
