"""Real worker processes behind one port. `test_worker_metrics.py` has some that share a Redis."""

import asyncio
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.cli.test_serve import NOWHERE, gateway
from tests.http.scripted_engine import Exchange, answer, scripted_engine


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


def test_workers_are_one_gateway_and_one_that_dies_is_replaced() -> None:
    with gateway("--engine", NOWHERE, "--workers", "2") as (process, url):
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


def test_workers_stop_when_their_parent_is_killed() -> None:
    with gateway("--engine", NOWHERE, "--workers", "2") as (process, url):
        _until(lambda: _ready(url)["replicas"] == 2, "both serve")
        workers = _children(process.pid)
        process.kill()
        _, errors = process.communicate(timeout=30)  # the workers have these pipes too, so they have ended
    assert errors.count("the parent process has ended: this worker") == len(workers)
    assert "Traceback" not in errors


WINDOW = 3
ONE_WINDOW = ("--workers", "2", "--law", "static", "--set", f"window={WINDOW}", "--recognisers", "headers")
"""Requests without a session header are single ones: a place is free when its request ends."""
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


async def _answer_soon(exchange: Exchange) -> None:
    await asyncio.sleep(0.01)
    await exchange.json(answer())


async def _load(url: str, *, rounds: int) -> int:
    """Ten clients, each with so many requests after each other. Returns how many failed.

    Each request has a connection of its own, so that any worker may get it.
    """

    async def agent(client: httpx.AsyncClient) -> int:
        failed = 0
        for _ in range(rounds):
            try:
                answered = await client.post(f"{url}/v1/chat/completions", json=BODY)
                failed += not answered.is_success
            except httpx.TransportError:  # of the worker that was killed
                failed += 1
        return failed

    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, timeout=20, limits=limits) as client:
        return sum(await asyncio.gather(*(agent(client) for _ in range(10))))


async def _state(url: str) -> dict[str, Any]:
    answer = await asyncio.to_thread(urllib.request.urlopen, f"{url}/concur/v1/state")
    with answer:
        return dict(json.load(answer))


async def _is_idle(url: str) -> bool:
    (engine,) = (await _state(url))["engines"]
    return bool(engine["requests"] == {"held": 0, "in_flight": 0})


async def _are_two(url: str) -> bool:
    return bool((await _state(url))["replicas"] == 2)


async def _leader(url: str) -> int:
    """The process of the worker that leads. Any worker says it."""
    return int((await _state(url))["replica"].split("-")[-2])


async def _until_soon(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("killed", ["leader", "follower"])
async def test_workers_without_redis_have_one_window_and_a_killed_one_leaks_no_place(killed: str) -> None:
    async with scripted_engine(script=_answer_soon) as engine:
        with gateway("--engine", engine.url, "--admin-listen", "main", *ONE_WINDOW) as (process, url):
            await _until_soon(lambda: _are_two(url))
            assert await _load(url, rounds=3) == 0
            assert engine.most_in_flight == WINDOW
            await _until_soon(lambda: _is_idle(url))
            load = asyncio.create_task(_load(url, rounds=10))
            await asyncio.sleep(0.1)
            before, leader = _children(process.pid), await _leader(url)
            os.kill(leader if killed == "leader" else min(before - {leader}), signal.SIGKILL)
            assert await load <= 10, "only answers of the killed worker are lost"
            await _until_soon(lambda: _is_idle(url))
            assert len(_children(process.pid) & before) == 1
            engine.most_in_flight = 0
            assert await _load(url, rounds=3) == 0
            assert engine.most_in_flight == WINDOW
            process.terminate()
            _, errors = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors
