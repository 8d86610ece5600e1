"""The sockets that the gateway listens on."""

import socket
from collections.abc import Sequence

BACKLOG = 2048
"""The same as in uvicorn."""
ANY_IPV6 = "::"
ANY_IPV4 = "0.0.0.0"  # noqa: S104 - a name for what an operator asked for


def open_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on each address of each host. With port 0, all get the free port of the first one.

    `::` takes IPv4 too, unless `0.0.0.0` is among the hosts or the system cannot do both with one socket. Raises
    `OSError` if an address cannot be had; nothing listens then.
    """
    opened: list[socket.socket] = []
    try:
        for family, address in _addresses(hosts):
            both = address == ANY_IPV6 and ANY_IPV4 not in hosts and socket.has_dualstack_ipv6()
            listening = socket.create_server((address, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
            opened.append(listening)
            port = listening.getsockname()[1]
    except OSError:
        for listening in opened:
            listening.close()
        raise
    return opened


def urls(hosts: Sequence[str], port: int) -> list[str]:
    """The base URL of each host."""
    return [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts]


def _addresses(hosts: Sequence[str]) -> list[tuple[socket.AddressFamily, str]]:
    found: dict[tuple[socket.AddressFamily, str], None] = {}
    for host in hosts:
        for family, _, _, _, address in socket.getaddrinfo(
            host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            found[family, str(address[0])] = None
    return list(found)
