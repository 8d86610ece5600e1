"""One tiny vLLM server, one gateway before it, and both ways to it, for the whole suite."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.install import DEFAULT_VENV, is_installed
from tests.real_engine.vllm_server import VllmServer
from tests.real_engine.ways import BothWays, Way

START_AND_TEST_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that needs the first server, or another one, waits for its start."""
    for item in items:
        item.add_marker(pytest.mark.timeout(START_AND_TEST_S))


@pytest.fixture(scope="session")
def engine() -> Iterator[VllmServer]:
    """A server for the generating APIs."""
    if not is_installed(DEFAULT_VENV):
        pytest.exit("vLLM is not installed here: `python -m tests.real_engine` installs it and runs this", 1)
    tools = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    with VllmServer("tiny", *tools) as server:
        yield server


@pytest.fixture(scope="session")
def direct(engine: VllmServer) -> Iterator[Way]:
    """The engine itself."""
    with closing(Way(engine.url)) as way:
        yield way


@pytest.fixture(scope="session")
def proxied(engine: VllmServer) -> Iterator[Way]:
    """A gateway with its default settings before the engine."""
    with gateway(engine.url) as url, closing(Way(url)) as way:
        yield way


@pytest.fixture(scope="session")
def both(direct: Way, proxied: Way) -> BothWays:
    """The comparison of the two."""
    return BothWays(direct, proxied)
