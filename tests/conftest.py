"""Fixtures that several folders share."""

from collections.abc import Iterator

import pytest

from tests.coordination.redis_server import RedisServer


@pytest.fixture(name="redis", scope="session")
def _redis() -> Iterator[RedisServer]:
    """A Redis that all tests share. A test that kills or freezes Redis starts its own."""
    with RedisServer() as server:
        yield server
