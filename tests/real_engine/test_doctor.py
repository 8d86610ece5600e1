"""The doctor's findings on real servers."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tests.real_engine.server import EngineServer

KEY = "sk-tiny"
TELLS_CACHED = {"vllm": "--enable-prompt-tokens-details", "sglang": "--enable-cache-report"}


def examined(url: str, *flags: str) -> tuple[str, Mapping[str, dict[str, Any]]]:
    """The worst severity, and the findings by code."""
    command = [sys.executable, "-m", "concur_proxy", "doctor", "--json", "--engine", url, *flags]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    return told["status"], {found["code"]: found for found in told["findings"]}


def test_a_server_with_all_switched_on_is_well(engine: EngineServer) -> None:
    status, found = examined(engine.url)
    assert status == "ok"
    assert found["kind"]["message"] == f"is {engine.kind} {engine.release.partition('==')[2]}"
    assert found["models"]["message"] == "serves tiny"


def test_a_server_that_tells_no_cached_tokens_and_wants_a_key_is_told_how_to(
    kind: str, tiny: Callable[..., EngineServer]
) -> None:
    with tiny("--api-key", KEY, tells_cached=False) as server:
        _, without = examined(server.url)
        _, found = examined(server.url, "--engine-api-key", KEY)
    assert any("key" in finding["message"] for finding in without.values())
    assert not any("wants a key" in finding["message"] for finding in found.values())
    assert any(TELLS_CACHED[kind] in finding["fix"] for finding in found.values())
