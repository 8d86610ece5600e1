import asyncio
import re
import socket
import urllib.request

import pytest

from concur_proxy.server.listen import open_sockets, urls
from tests.cli.test_serve import NOWHERE, gateway


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("hosts", "reached"),
    [
        (["127.0.0.1"], (True, False)),
        (["::1"], (False, True)),
        (["0.0.0.0"], (True, False)),
        (["::"], (True, True)),
        (["0.0.0.0", "::"], (True, True)),
        (["127.0.0.1", "::1"], (True, True)),
    ],
)
def test_which_addresses_are_reached(hosts: list[str], reached: tuple[bool, bool]) -> None:
    opened = open_sockets(hosts, 0)
    port = opened[0].getsockname()[1]
    assert (answers("127.0.0.1", port), answers("::1", port)) == reached
    for listening in opened:
        listening.close()
    assert not answers("127.0.0.1", port)
    assert not answers("::1", port)


def test_if_one_address_cannot_be_had_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            open_sockets(["::1", "127.0.0.1"], port)
        assert not answers("::1", port)


def test_the_urls_can_be_used_as_they_are() -> None:
    assert urls(["::1", "127.0.0.1", "localhost"], 8300) == [
        "http://[::1]:8300",
        "http://127.0.0.1:8300",
        "http://localhost:8300",
    ]


async def test_a_gateway_on_every_address_of_its_machine_knows_local_callers() -> None:
    with gateway("--engine", NOWHERE, "--host", "::", "--admin-listen", "main") as (_, url):
        port = re.fullmatch(r"http://\[::\]:(\d+)", url)
        assert port is not None
        for address in ("127.0.0.1", "[::1]", "localhost"):
            asked = f"http://{address}:{port[1]}/concur/v1/state"
            answer = await asyncio.to_thread(urllib.request.urlopen, asked)
            assert answer.status == 200
