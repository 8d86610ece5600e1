"""A gateway without files left refuses newcomers at once, and answers health checks."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from concur_proxy.server.spare_files import SpareFiles
from tests.cli.test_serve import NOWHERE
from tests.server.test_half_close import POST

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
CROWD = 40


@contextmanager
def a_gateway() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Its process and its port."""
    command = [sys.executable, "-m", "concur_proxy", "serve", "--port", "0", "--engine", NOWHERE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


def ask(port: int, request: bytes) -> bytes:
    """All that comes until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(4096):
            answer += part
        return answer


def open_files(process: subprocess.Popen[str]) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208 - the kernel's, not a folder


def test_without_files_a_gateway_is_healthy_and_refuses_newcomers() -> None:
    with a_gateway() as (process, port), ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        assert ask(port, HEALTH.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (open_files(process) - CROWD // 2, limits[1]))
        for _ in range(30):
            assert ask(port, HEALTH).startswith(b"HTTP/1.1 200 ")
            refusal = ask(port, POST)
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b'"code":"too_many_connections"' in refusal
            assert b"retry-after: 5\r\n" in refusal
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(POST)
            assert b"too_many_connections" not in client.recv(4096)


def test_what_was_lent_comes_back_when_there_is_room() -> None:
    spare, limits = SpareFiles(), resource.getrlimit(resource.RLIMIT_NOFILE)
    assert spare.refill()
    assert not spare.lend()
    spare.keep(2)
    try:
        assert spare.lend()
        with Path(os.devnull).open() as taken:  # it has the lowest number that is free
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken.fileno(), limits[1]))
            assert not spare.refill()
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken.fileno() + 1, limits[1]))
        assert spare.refill()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        spare.keep(0)
    assert not spare.lend()
