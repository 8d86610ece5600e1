"""Clients behind an ASGI server."""

import asyncio
from typing import Any

import pytest

from concur_proxy.relay.asgi_client import MAX_UNSENT_BYTES, AsgiClient
from concur_proxy.upstream.reading import MAX_BUFFERED_BYTES
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine

PIECE = b"x" * 50_000
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "raw_path": b"/v1/chat/completions",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json")],
}


class Server:
    """What a server gives an application. It takes the answer when `goes_on` is set."""

    def __init__(self, *parts: bytes) -> None:
        self.messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        self.sent: list[Any] = []
        self.goes_on = asyncio.Event()
        self.leaves = asyncio.Event()
        self.fails = False
        self.client = AsgiClient(SCOPE, self.receive, self.send)

    async def receive(self) -> Any:  # noqa: ANN401 - of ASGI
        if self.messages:
            return self.messages.pop(0)
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:  # noqa: ANN401
        if self.fails:
            raise OSError("the client has left")
        await self.goes_on.wait()
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def silent(exchange: Exchange) -> None:
    await exchange.client_left()


async def test_a_body_in_parts_and_an_answer() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        server = Server(b'{"mess', b"", b'ages":[]}')
        server.goes_on.set()
        await server.client.serve(gateway.app.relay)
        assert engine.received[0].body == b'{"messages":[]}'
        assert server.sent[0]["status"] == 200
        assert server.sent[-1]["more_body"] is False


async def test_a_server_that_takes_an_answer_slowly_stops_the_engine() -> None:
    async def flood(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (400 * len(PIECE)))
        for _ in range(400):
            await exchange.send(PIECE)

    async with scripted_engine(script=flood) as engine, running_gateway(engine.url) as gateway:
        server = Server(b"{}")
        serving = asyncio.create_task(server.client.serve(gateway.app.relay))
        await gateway.until(lambda: server.client.is_full)
        await asyncio.sleep(0.2)
        assert server.client._unsent_bytes < MAX_UNSENT_BYTES + 4 * MAX_BUFFERED_BYTES
        server.goes_on.set()
        await serving
        assert server.body == PIECE * 400


@pytest.mark.parametrize("how", ["message", "error", "within the body"])
async def test_a_client_that_leaves(how: str) -> None:
    async with scripted_engine(script=silent) as engine, running_gateway(engine.url) as gateway:
        server = Server(b'{"stream":true}')
        server.goes_on.set()
        if how == "within the body":
            server.messages[0]["more_body"] = True
        serving = asyncio.create_task(server.client.serve(gateway.app.relay))
        if how != "within the body":
            await gateway.until(lambda: engine.in_flight == 1)
        if how == "error":
            server.fails = True
            server.client.write(b"x")
        else:
            server.leaves.set()
        await asyncio.wait_for(serving, 5)
        assert server.client.is_gone == (how != "within the body")
        await gateway.until(lambda: engine.in_flight == 0)
        await gateway.settled()


async def test_an_answer_of_which_a_part_was_not_sent_does_not_end() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        server = Server(b"{}")
        serving = asyncio.create_task(server.client.serve(gateway.app.relay))
        await gateway.until(lambda: server.client._run is not None and server.client._run.has_ended)
        serving.cancel()  # the server stops while it takes the first part
        done, _ = await asyncio.wait({serving}, timeout=5)
        server.goes_on.set()
        server.client._has_news.set()
        await serving
        assert done
        assert not server.sent
        await gateway.settled()


async def test_a_server_that_stops_gets_a_refusal() -> None:
    async with scripted_engine(script=silent) as engine, running_gateway(engine.url) as gateway:
        server = Server(b"{}")
        server.goes_on.set()
        serving = asyncio.create_task(server.client.serve(gateway.app.relay))
        await gateway.until(lambda: engine.in_flight == 1)
        serving.cancel()
        await asyncio.wait_for(serving, 5)
        assert server.sent[0]["status"] == 503
        assert b"draining" in server.body
        await gateway.settled()
