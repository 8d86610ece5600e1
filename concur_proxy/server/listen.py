"""The sockets that the gateway listens on."""

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from concur_proxy.settings.admin_listen import UNIX, AdminAddress
from concur_proxy.settings.gateway import GatewaySettings

BACKLOG = 2048
"""The same as in uvicorn."""
ANY_IPV6 = "::"
ANY_IPV4 = "0.0.0.0"  # noqa: S104 - a name for what an operator asked for
OWNER_ONLY = 0o177
"""Mask of permissions: only the user of this process may connect to the unix socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Open sockets: those of the main port, and that of the admin API."""

    main: Sequence[socket.socket]
    port: int
    """The main port."""
    admin: socket.socket | None = None
    admin_url: str | None = None
    """The URL of the admin socket, or `unix:` and its path."""
    opened_by: int = field(default_factory=os.getpid)
    announces: bool = True
    """Whether the process that serves here prints the banner: one of several workers does."""

    def close(self) -> None:
        """Close all, and remove the unix socket's file if this process has made it."""
        for each in (*self.main, *(() if self.admin is None else (self.admin,))):
            each.close()
        if self.admin_url is not None and self.admin_url.startswith(UNIX) and self.opened_by == os.getpid():
            Path(self.admin_url.removeprefix(UNIX)).unlink(missing_ok=True)


def listen(settings: GatewaySettings) -> Listening:
    """Listen on the addresses of the settings. Raises `OSError` if one cannot be had; nothing listens then."""
    main = open_sockets(settings.host, settings.port)
    address = settings.admin_address
    try:
        admin = None if address is None else open_admin(address)
    except OSError:
        for each in main:
            each.close()
        raise
    port = int(main[0].getsockname()[1])
    return Listening(main=main, port=port, admin=admin, admin_url=None if admin is None else _url(admin))


def open_admin(address: AdminAddress) -> socket.socket:
    """Listen for callers of the admin API. Raises `OSError`."""
    if address.path is not None:
        return _open_unix(str(address.path))
    try:
        return open_sockets([address.host], address.port)[0]
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not address.may_move:
            raise
        return open_sockets([address.host], 0)[0]


def _open_unix(path: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(OWNER_ONLY)
    try:
        _remove_abandoned(path)
        listening.bind(path)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _remove_abandoned(path: str) -> None:
    """Remove the socket's file if no process listens there any longer."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)


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


def urls(hosts: Sequence[str], port: int, scheme: str = "http") -> list[str]:
    """The base URL of each host."""
    return [f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}" for host in hosts]


def _url(admin: socket.socket) -> str:
    name = admin.getsockname()
    return f"{UNIX}{name}" if admin.family == socket.AF_UNIX else urls([name[0]], name[1])[0]


def _addresses(hosts: Sequence[str]) -> list[tuple[socket.AddressFamily, str]]:
    found: dict[tuple[socket.AddressFamily, str], None] = {}
    for host in hosts:
        for family, _, _, _, address in socket.getaddrinfo(
            host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            found[family, str(address[0])] = None
    return list(found)
