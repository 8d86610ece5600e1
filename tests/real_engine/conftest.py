"""One tiny engine, one gateway in front of it, and both ways to the engine, for the whole suite.

`--engine` names the kind of engine. Tests with the marker `only` run on one kind.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from tests.real_engine.engines import SERVERS, TOOLS
from tests.real_engine.gateway import gateway
from tests.real_engine.install import VENVS, is_installed
from tests.real_engine.server import EngineServer
from tests.real_engine.ways import BothWays, Way

START_AND_TEST_S = 420


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the engine."""
    parser.addoption("--engine", choices=list(SERVERS), default="vllm", help="default vllm")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of this suite."""
    config.addinivalue_line("markers", "only(kind, why): runs on this kind of engine alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the other engine. A test that needs a server may wait for its start."""
    kind = config.getoption("--engine")
    for item in items:
        item.add_marker(pytest.mark.timeout(START_AND_TEST_S))
        for only in item.iter_markers("only"):
            wanted, why = only.args
            if wanted != kind:
                item.add_marker(pytest.mark.skip(reason=f"{wanted} only: {why}"))


@pytest.fixture(scope="session")
def kind(pytestconfig: pytest.Config) -> str:
    """The kind of engine that this run is about."""
    chosen = str(pytestconfig.getoption("--engine"))
    if not is_installed(VENVS[chosen]):
        pytest.exit(f"{chosen} is not installed here: `python -m tests.real_engine --engine {chosen}` does it", 1)
    return chosen


@pytest.fixture(scope="session")
def tiny(kind: str) -> Callable[..., EngineServer]:
    """Makes a server of this kind that belongs to one test, with the arguments of its class after the model."""
    return partial(SERVERS[kind], "tiny")


@pytest.fixture(scope="session")
def engine(kind: str) -> Iterator[EngineServer]:
    """A server for the generating APIs."""
    with SERVERS[kind]("tiny", *TOOLS[kind]) as server:
        yield server


@pytest.fixture(scope="session")
def direct(engine: EngineServer) -> Iterator[Way]:
    """The way that leads directly to the engine."""
    with closing(Way(engine.url)) as way:
        yield way


@pytest.fixture(scope="session")
def proxied(engine: EngineServer) -> Iterator[Way]:
    """The way through a gateway with default settings."""
    with gateway(engine.url) as url, closing(Way(url)) as way:
        yield way


@pytest.fixture(scope="session")
def both(direct: Way, proxied: Way) -> BothWays:
    """Compares the two ways."""
    return BothWays(direct, proxied)
