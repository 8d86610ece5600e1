"""The kernel ends connections whose other host has disappeared."""

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from concur_proxy.upstream.sockets import detect_dead_peer_of

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="an option of Linux")


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_transport_gets_the_options_and_keeps_its_socket(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def connect() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport, _ = await loop.create_connection(asyncio.Protocol, *server.getsockname())
            detect_dead_peer_of(transport)
            its = transport.get_extra_info("socket")
            assert its.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert its.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 90_000
            transport.close()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(connect())


async def test_a_unix_socket_has_no_host_that_could_disappear() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        detect_dead_peer_of(transport)
        assert not transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        transport.close()
