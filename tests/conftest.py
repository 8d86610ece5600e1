"""Fixtures that several folders share, and an option of this suite."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.coordination.redis_server import RedisServer
from tests.pure_coverage import ROOMS, folders_of_tests

WITHOUT_PURE_ROOMS = "--without-pure-rooms"

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy machine must fail no test
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the run that follows `python -m tests.pure_coverage`."""
    help_ = "leave out the tests that `python -m tests.pure_coverage` runs"
    parser.addoption(WITHOUT_PURE_ROOMS, action="store_true", help=help_)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the folders of the pure rooms if the option says so."""
    is_left_out = config.getoption(WITHOUT_PURE_ROOMS) and collection_path in _pure_folders(config.rootpath)
    return True if is_left_out else None


@pytest.fixture(name="redis", scope="session")
def _redis() -> Iterator[RedisServer]:
    """A Redis that the tests of a process share. A test that kills or freezes Redis starts its own."""
    with RedisServer() as server:
        yield server


def _pure_folders(root: Path) -> list[Path]:
    return [root / folder for folder in folders_of_tests(ROOMS)]
