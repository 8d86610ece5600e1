"""Starts concur-proxy commands for documentation and its tests, on ports of their own choice."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

START_TIMEOUT_S = 30.0


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Runs `concur-proxy ARGUMENTS`, a server; yields its URL once it is healthy and ends it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "concur_proxy", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().rsplit(" ", 1)[-1]
            wait_until_healthy(url)
            yield url
        finally:
            process.terminate()


def wait_until_healthy(url: str) -> None:
    """Returns when the server answers; `RuntimeError` after half a minute."""
    ends = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends:
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{url or 'the server'} did not start")
