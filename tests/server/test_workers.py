"""Real worker processes behind one port, over a real Redis."""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from secrets import token_hex
from typing import Any

from tests.cli.test_serve import NOWHERE, gateway
from tests.coordination.redis_server import RedisServer


def _ready(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{url}/readyz") as answer:  # noqa: S310 - our own process
            found = json.load(answer)
    except urllib.error.HTTPError as error:  # no engine can be reached
        found = json.load(error)
    return dict(found["store"])


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _children(pid: int) -> set[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as children:  # noqa: PTH123
        return {int(child) for child in children.read().split()}


def test_workers_are_one_gateway_and_one_that_dies_is_replaced(redis: RedisServer) -> None:
    flags = ("--workers", "2", "--store", "redis", "--redis-url", redis.url, "--redis-prefix", token_hex(4))
    with gateway("--engine", NOWHERE, *flags) as (process, url):
        _until(lambda: _ready(url)["replicas"] == 2, "two are one")
        before = _children(process.pid)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        _until(lambda: bool(_children(process.pid) - before), "the dead one is replaced")
        _until(lambda: _ready(url)["replicas"] == 2, "two are one again")
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.search(r"worker \d+ ended with exit status -9 and will be replaced", errors)
    assert "Traceback" not in errors


def test_workers_stop_when_their_parent_is_killed(redis: RedisServer) -> None:
    flags = ("--workers", "2", "--store", "redis", "--redis-url", redis.url, "--redis-prefix", token_hex(4))
    with gateway("--engine", NOWHERE, *flags) as (process, url):
        _until(lambda: _ready(url)["replicas"] == 2, "both serve")
        workers = _children(process.pid)
        process.kill()
        _, errors = process.communicate(timeout=30)  # the workers have these pipes too, so they have ended
    assert errors.count("the parent process has ended: this worker") == len(workers)
    assert "Traceback" not in errors
