"""`GET /v1/models` before several engines: one list of what they all serve."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.upstream.connection import EngineBroke, EngineUnreachable
from concur_proxy.wire.request.models import merge_lists

TIMEOUT_S = 5.0
"""An engine that takes longer is left out: the client shall not wait for the slowest."""

Send = Callable[[str], Awaitable[UpstreamResponse]]
"""Puts the client's question to an engine."""


async def merged_models(engines: Sequence[str], send: Send) -> bytes | None:
    """The engines' lists in one; None when none of them answers with a list."""
    bodies = await asyncio.gather(*(_ask(engine, send) for engine in engines))
    return merge_lists([body for body in bodies if body is not None])


async def _ask(engine: str, send: Send) -> bytes | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            response = await send(engine)
            try:
                body = b"".join([chunk async for chunk in response.chunks()])
            finally:
                response.close()
    except (EngineUnreachable, EngineBroke, TimeoutError):
        return None
    return body if response.status == HTTPStatus.OK else None
