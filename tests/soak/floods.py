"""Clients that ask for too much: slow ones, large ones, and very many."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from tests.replicas.server import Server
from tests.soak.agents import post
from tests.soak.client import Seen, attempt
from tests.soak.hostile_engine import UPLOADS as UPLOADS_MODEL
from tests.soak.stage import Stage

SLOW_CLIENTS = 200
UPLOADS = 16
UPLOADS_TAKE = 3
"""They may take so many times as long as a fault, to be read to their ends."""
UPLOAD_BYTES = 64 * 1024**2 - 100
SESSIONS_PER_AGENT = 20
"""10,000 for 500 agents."""
FLOODING = "large"
"""The tenant that sends them."""
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"


async def slow_clients(stage: Stage) -> None:
    """Send heads and bodies one byte at a time."""
    request = post(FLOODING, {"model": "emulated", "messages": [{"role": "user", "content": "slow " * 50}]})
    begun = (HEAD, request[: request.index(b"\r\n\r\n") + 10])
    await _for_a_while(
        stage,
        [_drip(stage.cluster.replicas[n % 2], begun[n // 2 % 2], request) for n in range(SLOW_CLIENTS)],
    )


async def uploads(stage: Stage) -> None:
    """Send large bodies at the same time, all to one gateway."""
    body = b'{"model":"%b","messages":[' % UPLOADS_MODEL.encode() + b"{}," * (UPLOAD_BYTES // 3 - 20) + b"{}]}"
    request = post(FLOODING, body, "x-session-id: upload\r\n")
    await _for_a_while(
        stage,
        [_judged(stage, stage.cluster.replicas[0], request) for _ in range(UPLOADS)],
        seconds=UPLOADS_TAKE * stage.seconds,
    )


async def sessions(stage: Stage) -> None:
    """Open many sessions that never end."""
    body = {"model": "emulated", "messages": [{"role": "user", "content": "flood"}], "max_tokens": 4}
    requests = [
        post(FLOODING, body, f"x-session-id: flood-{n}\r\n") for n in range(SESSIONS_PER_AGENT * stage.agents.count)
    ]
    await _for_a_while(
        stage, [_judged(stage, stage.cluster.replicas[n % 2], request) for n, request in enumerate(requests)]
    )


async def _for_a_while(
    stage: Stage, clients: Sequence[Coroutine[Any, Any, None]], *, seconds: float | None = None
) -> None:
    """Let the clients try for the time of a fault, or for these seconds."""
    tasks = [asyncio.create_task(client) for client in clients]
    stage.agents.open += len(tasks)
    try:
        await asyncio.wait(tasks, timeout=seconds or stage.seconds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stage.agents.open -= len(tasks)


async def _drip(replica: Server, begun: bytes, request: bytes) -> None:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", replica.port)
        try:
            writer.write(begun)
            for position in range(len(begun), len(request)):
                await asyncio.sleep(1.0)
                writer.write(request[position : position + 1])
                await writer.drain()
        finally:
            writer.transport.abort()


async def _judged(stage: Stage, replica: Server, request: bytes) -> None:
    """Only an answer that is not valid counts: refusals are what a flood deserves."""
    seen: Seen = await attempt(replica.port, request)
    if seen.kind == "invalid":
        stage.agents.note(replica, seen)
