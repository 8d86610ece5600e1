"""A server that cannot start says why."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.real_engine.engines import SERVERS


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_that_is_taken_is_named_instead_of_shared(kind: str, taken: int) -> None:
    command = [sys.executable, "-m", "tests.real_engine.start", "--engine", kind, "--port", str(taken)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.strip() == f"{SERVERS[kind].release}: another server listens on port {taken}"
