import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from concur_proxy.relay.body import parts_over_asgi, read_body
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Hold, scripted_engine
from tests.server.test_protocol import connection

LARGE = "x" * 6_000


async def test_bodies_that_are_too_large_together_are_refused_and_room_comes_back() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, max_buffered_bytes=10_000) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a", pad=LARGE))
        await gateway.until(lambda: len(engine.received) == 1)
        second = await gateway.chat("b", pad=LARGE)
        assert second.status_code == 503
        assert second.json()["error"]["code"] == "bodies_too_large"
        assert second.headers["retry-after"] == "5"
        small = asyncio.create_task(gateway.chat("c"))
        await gateway.until(lambda: len(engine.received) == 2)
        hold.open.set()
        assert (await first).status_code == (await small).status_code == 200
        assert (await gateway.chat("b", pad=LARGE)).status_code == 200


async def test_a_client_that_leaves_in_its_body_gives_its_room_back() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, max_buffered_bytes=10_000) as gateway:
        async with connection(gateway) as (_, writer):
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n" + b"x" * 8_000
            )
            await writer.drain()
            for _ in range(500):
                if (await gateway.chat("b", pad=LARGE)).status_code == 503:
                    break
                await asyncio.sleep(0.005)
            else:
                pytest.fail("the half body was not counted")
        await gateway.settled()
        for _ in range(3):
            assert (await gateway.chat("b", pad=LARGE)).status_code == 200


async def test_a_body_in_parts_is_whole() -> None:
    parts = [b"a" * 70_000, b"", b"b" * 5, b"c"]
    messages = [{"type": "http.request", "body": part, "more_body": part != b"c"} for part in parts]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    assert await read_body(parts_over_asgi(receive), declared=None, limit=80_000) == b"".join(parts)
