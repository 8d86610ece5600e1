"""What requests that wait cost, and what they leave behind when their clients have gone."""

import asyncio
import gc
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from concur_proxy.server import give_back
from concur_proxy.server.connections import ClientConnections
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine
from tests.server.test_connections import limits

CLIENTS = 100
MOST_BYTES = 18_000
"""For each request that waits and its client, which is in this process too, without the 4 kB of its body. It was 29,000
with a task more and uvicorn's own parts.
"""
LEFT = ("GatewayProtocol", "ClientRequest", "Run", "Exchange", "Ticket")
BODY = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 4000)


async def hang(exchange: Exchange) -> None:
    await exchange.client_left()


def tasks_of_gateway() -> int:
    """The engine is in this process too. It has a task for each connection that the gateway keeps."""
    return sum("ScriptedEngine" not in repr(task.get_coro()) for task in asyncio.all_tasks())


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def counted() -> Counter[str]:
    return Counter(name for each in gc.get_objects() if (name := type(each).__name__) in LEFT)


@pytest.mark.parametrize("leaves", ["FIN", "RST"])
async def test_requests_that_wait_are_cheap_and_leave_nothing_behind(leaves: str) -> None:
    settings = {"law": "static", "law_options": {"window": 1}, "work_conserving": False}
    async with scripted_engine(script=hang) as engine, running_gateway(engine.url, **settings) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        gc.collect()
        gc.disable()
        try:
            before, tasks, files = counted(), tasks_of_gateway(), open_files()
            tracemalloc.start()
            writers = []
            for number in range(CLIENTS):
                head = (
                    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-session-id: s%d\r\ncontent-length: %d\r\n\r\n"
                )
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head % (number, len(BODY)) + BODY)
                writers.append(writer)
            await gateway.until(lambda: gateway.snapshot().held == CLIENTS - 1)
            cost = tracemalloc.get_traced_memory()[0] / CLIENTS
            tracemalloc.stop()
            assert cost < MOST_BYTES + len(BODY)
            for writer in writers:
                if leaves == "RST":
                    writer.transport.abort()
                else:
                    writer.close()
            del writers, writer
            await gateway.settled()
            await gateway.until(lambda: tasks_of_gateway() <= tasks + CLIENTS / 10, "tasks as before")
            await gateway.until(lambda: open_files() <= files + 8, "files as before")
            await gateway.until(
                lambda: all(count <= before[name] + 5 for name, count in counted().items()),
                "nothing waits for a timer or for the garbage collection",
            )
        finally:
            tracemalloc.stop()
            gc.enable()


class Server:
    """Connections that a test ends."""

    def __init__(self) -> None:
        self.connections = ClientConnections(limits(max_connections=2 * give_back.MANY))
        self.is_ending = self.is_busy = False

    def has_ebbed(self, by: int) -> bool:
        return self.connections.has_ebbed(by)


@pytest.mark.parametrize("is_busy", [False, True])
async def test_memory_is_given_back_when_many_clients_have_left(
    monkeypatch: pytest.MonkeyPatch, *, is_busy: bool
) -> None:
    server = Server()
    server.is_busy = is_busy
    given = asyncio.Queue[int]()
    searched: list[bool] = []
    forgotten: list[bool] = []
    emptied: list[bool] = []

    async def empty_pools() -> None:
        emptied.append(True)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(give_back, "LOOK_S", 0.01)
    monkeypatch.setattr(give_back, "_trim", lambda: lambda pad: loop.call_soon_threadsafe(given.put_nowait, pad))
    monkeypatch.setattr(give_back, "collect_all", lambda: searched.append(True))
    monkeypatch.setattr(give_back, "empty_pools", empty_pools)
    task = asyncio.create_task(give_back.give_back_memory(server, lambda: forgotten.append(True)))
    for _ in range(give_back.MANY + 10):
        server.connections.enter("client")
    await asyncio.sleep(0.05)
    assert given.empty()
    server.is_ending = True
    for _ in range(give_back.MANY):
        server.connections.leave("client")
    await asyncio.sleep(0.05)
    assert given.empty(), "the requests of the clients that left are still in memory"
    server.is_ending = False
    for _ in range(give_back.TIMES + 1):
        await asyncio.wait_for(given.get(), 10)
    await asyncio.sleep(0.05)
    assert given.empty()
    assert (len(forgotten), len(emptied)) == (give_back.TIMES, 1)
    assert len(searched) == (0 if is_busy else give_back.TIMES)
    task.cancel()
