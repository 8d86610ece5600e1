"""The gateway in front of a real SGLang: what it reads there, and what it refuses."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.install import SGLANG_VENV, is_installed
from tests.real_engine.sglang_server import SglangServer
from tests.real_engine.ways import Way, until

TEXT = "the gateway counts what this engine had cached " * 20
REQUEST = {
    "model": "tiny",
    "messages": [{"role": "user", "content": TEXT}],
    "max_tokens": 4,
    "ignore_eos": True,
}


@pytest.fixture(scope="module")
def server() -> Iterator[SglangServer]:
    """An SGLang of its own, because no other test needs one."""
    if not is_installed(SGLANG_VENV):
        pytest.skip("SGLang is not installed here: `python -m tests.real_engine.install sglang` does it")
    with SglangServer("tiny") as running:
        yield running


@pytest.fixture
def way(server: SglangServer) -> Iterator[Way]:
    """The way through a gateway with default settings."""
    with gateway(server.url) as url, closing(Way(url)) as through:
        yield through


async def test_its_capacity_is_read_and_its_cached_tokens_are_reported(server: SglangServer, way: Way) -> None:
    way.http.post("/v1/chat/completions", json=REQUEST).raise_for_status()
    usage = way.http.post("/v1/chat/completions", json=REQUEST).raise_for_status().json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1
    capacity = server.capacity_tokens
    await until(lambda: way.series.read("concur_engine_capacity_tokens") == capacity, "the capacity is known")
    await until(lambda: way.series.read("concur_engine_signals_stale") == 0, "its signals are read")


def test_its_administration_stays_closed(server: SglangServer, way: Way) -> None:
    for path in ("/flush_cache", "/abort_request", "/start_profile", "/server_info"):
        assert way.http.post(path).status_code in {403, 404}, path
