"""Connections are taken in order, and health checks come first."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from concur_proxy.server.acceptor import SERVED_PER_ROUND, Acceptor
from concur_proxy.server.connections import ClientConnections, ClientLimits
from concur_proxy.upstream.tls import server_context
from tests.http.certificates import Authority

MANY = 200
POST = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n"


class Server:
    """Notes which connections get their protocols, and in which round of the event loop."""

    def __init__(self, most: int) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=2 * MANY)
        self.connections = ClientConnections(
            ClientLimits(head_timeout_s=1, body_timeout_s=1, send_timeout_s=1, max_connections=most, max_per_client=0)
        )
        self.served: list[int] = []
        """The ports of clients in the order of their protocols."""
        self.transports: list[asyncio.BaseTransport] = []

    def make(self) -> asyncio.Protocol:
        server = self

        class Noting(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                server.connections.enter("")
                server.served.append(transport.get_extra_info("peername")[1])
                server.transports.append(transport)
                accepted = transport.get_extra_info("socket")
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

        return Noting()

    @contextmanager
    def clients(self, *sent: bytes) -> Iterator[list[socket.socket]]:
        """Clients that have connected and sent these bytes."""
        with ExitStack() as stack:
            clients = []
            for each in sent:
                client = stack.enter_context(socket.create_connection(self.listening.getsockname()))
                client.sendall(each)
                clients.append(client)
            yield clients

    async def until(self, count: int) -> list[int]:
        """Wait until this many have protocols. Returns how many had them after each round of the loop."""
        seen = [0]
        async with asyncio.timeout(10):
            while len(self.served) < count:
                await asyncio.sleep(0)
                seen.append(len(self.served))
        return seen


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Acceptor]:
    acceptor = Acceptor(
        server.listening,
        server.make,
        connections=server.connections,
        first=(b"GET /healthz ",),
        tls=tls,
        handshake_s=30.0,
    )
    try:
        yield acceptor
    finally:
        acceptor.close()
        await acceptor.wait_closed()
        for transport in server.transports:
            transport.close()
        server.listening.close()
        await asyncio.sleep(0)


def ports(clients: list[socket.socket]) -> list[int]:
    return [client.getsockname()[1] for client in clients]


async def test_a_health_check_passes_all_that_came_before_it() -> None:
    server = Server(most=1000)
    with server.clients(*[POST] * MANY, HEALTH) as clients:
        async with serving(server):
            seen = await server.until(MANY + 1)
            *posts, health = ports(clients)
            assert server.served.index(health) < MANY / 2
            assert [port for port in server.served if port != health] == posts
            assert max(after - before for before, after in pairwise(seen)) <= 2 * SERVED_PER_ROUND


async def test_a_connection_that_has_sent_nothing_does_not_wait() -> None:
    server = Server(most=1000)
    with server.clients(*[POST] * MANY, b"") as clients:
        async with serving(server):
            await server.until(MANY + 1)
            assert server.served.index(ports(clients)[-1]) < MANY / 2


async def test_over_tls_a_newcomer_does_not_wait_for_all_that_came_before_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, trusting = Server(most=1000), ssl.create_default_context(cafile=authority.file)
    address = server.listening.getsockname()
    async with AsyncExitStack() as stack:

        async def connect(plain: socket.socket) -> None:
            _, writer = await asyncio.open_connection(sock=plain, ssl=trusting, server_hostname="127.0.0.1")
            stack.push_async_callback(_cut, writer)

        plain = [socket.create_connection(address) for _ in range(MANY)]
        newcomer = ports(plain)[-1]
        async with asyncio.TaskGroup() as group:
            for each in plain[:-1]:
                group.create_task(connect(each))
            await asyncio.sleep(0)  # all have said hello
            await stack.enter_async_context(serving(server, server_context(*authority.issue("one"), None)))
            await server.until(1)
            group.create_task(connect(plain[-1]))
        assert server.served.index(newcomer) < MANY / 2


async def test_those_that_were_taken_are_served_when_it_closes() -> None:
    server = Server(most=1000)
    with server.clients(*[POST] * 50):
        async with serving(server) as acceptor:
            await server.until(1)
            acceptor.close()
            await acceptor.wait_closed()
            assert len(server.served) == 50


async def test_too_many_are_closed_without_a_protocol() -> None:
    server = Server(most=20)
    with server.clients(*[POST] * MANY) as clients:
        async with serving(server):
            assert await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, _is_ended, clients[-1]), 10)
            await server.until(20)
            for _ in range(MANY):
                await asyncio.sleep(0)
            assert len(server.served) <= 24 + 2 * SERVED_PER_ROUND  # the protocol refuses these few


async def _cut(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def _is_ended(client: socket.socket) -> bool:
    client.settimeout(10)
    try:
        return not client.recv(1)
    except ConnectionResetError:
        return True
