"""One tiny vLLM server, one gateway in front of it, and both ways to the server, for the whole suite."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.install import VLLM_VENV, is_installed
from tests.real_engine.vllm_server import VllmServer
from tests.real_engine.ways import BothWays, Way

START_AND_TEST_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that needs a vLLM server may wait for its start."""
    for item in items:
        item.add_marker(pytest.mark.timeout(START_AND_TEST_S))


@pytest.fixture(scope="session")
def engine() -> Iterator[VllmServer]:
    """A server for the generating APIs."""
    if not is_installed(VLLM_VENV):
        pytest.exit("vLLM is not installed here: `python -m tests.real_engine` installs it and runs this", 1)
    tools = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    with VllmServer("tiny", *tools) as server:
        yield server


@pytest.fixture(scope="session")
def direct(engine: VllmServer) -> Iterator[Way]:
    """The way that leads directly to the engine."""
    with closing(Way(engine.url)) as way:
        yield way


@pytest.fixture(scope="session")
def proxied(engine: VllmServer) -> Iterator[Way]:
    """The way through a gateway with default settings."""
    with gateway(engine.url) as url, closing(Way(url)) as way:
        yield way


@pytest.fixture(scope="session")
def both(direct: Way, proxied: Way) -> BothWays:
    """Compares the two ways."""
    return BothWays(direct, proxied)
