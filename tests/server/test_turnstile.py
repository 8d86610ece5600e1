"""Requests begin a few at a time."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise

import pytest

from concur_proxy.server.turnstile import PER_ROUND, Turnstile
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine
from tests.server.test_half_close import POST
from tests.server.test_protocol import GET, connection
from tests.soak.hostile_engine import hang


async def test_many_requests_begin_in_order_and_others_run_in_between() -> None:
    turnstile, began = Turnstile(), list[int]()
    for number in range(5 * PER_ROUND):
        begin = partial(began.append, number)
        if turnstile.passes(begin):
            begin()
    seen = [len(began)]
    while len(began) < 5 * PER_ROUND:
        await asyncio.sleep(0)
        seen.append(len(began))
    assert began == sorted(began)
    assert seen[0] == PER_ROUND
    assert max(after - before for before, after in pairwise(seen)) <= PER_ROUND
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turnstile.passes(lambda: None)


async def test_a_health_check_passes_the_requests_of_open_connections() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(gateway)) for _ in range(10 * PER_ROUND)]
        ended = list[str]()

        async def ask(name: str, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(request)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            ended.append(name)

        *others, (reader, writer) = opened
        async with asyncio.TaskGroup() as group:
            for each in others:
                group.create_task(ask("other", GET, *each))
            group.create_task(ask("health", GET.replace(b"/v1/models", b"/healthz"), reader, writer))
        assert ended.index("health") < len(ended) / 2


@pytest.mark.parametrize("window", [1, 1000], ids=["they wait", "they are answered"])
async def test_many_clients_that_leave_at_once_are_let_go_a_few_at_a_time(window: int) -> None:
    limits: dict[str, object] = {"law": "static", "law_options": {"window": window}}
    async with scripted_engine(script=hang) as engine, running_gateway(engine.url, **limits) as gateway:

        def count() -> int:
            return sum(requests for _, requests, _ in gateway.app.relay.holdings())

        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(connection(gateway)) for _ in range(10 * PER_ROUND)]
            for _, writer in opened:
                writer.write(POST)
            await gateway.until(lambda: count() == len(opened))
            for _, writer in opened:
                writer.transport.abort()
            seen = [count()]
            while count():
                await asyncio.sleep(0)
                seen.append(count())
        assert max(before - after for before, after in pairwise(seen)) <= 2 * PER_ROUND
        await gateway.settled()


async def test_many_clients_that_have_finished_sending_begin_a_few_at_a_time() -> None:
    async with scripted_engine(script=hang) as engine, running_gateway(engine.url) as gateway:
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(connection(gateway)) for _ in range(10 * PER_ROUND)]
            for _, writer in opened:
                writer.write(POST)
                writer.write_eof()
            seen = [0]
            while seen[-1] < len(opened):
                await asyncio.sleep(0)
                seen.append(sum(requests for _, requests, _ in gateway.app.relay.holdings()))
            assert max(after - before for before, after in pairwise(seen)) <= 2 * PER_ROUND
        await gateway.settled()


async def test_a_server_that_stops_answers_all_that_have_come() -> None:
    async with scripted_engine() as engine, AsyncExitStack() as stack:
        async with running_gateway(engine.url) as gateway:
            opened = [await stack.enter_async_context(connection(gateway)) for _ in range(10 * PER_ROUND)]
            await gateway.client.get("/healthz")
            for _, writer in opened:
                writer.write(GET)
        for reader, _ in opened:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
