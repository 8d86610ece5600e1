"""Checks whether a server can listen on its address, before anything is built."""

import errno
import socket
from collections.abc import Sequence

from concur_proxy.server.listen import open_admin, open_sockets
from concur_proxy.settings.gateway import GatewaySettings


def listen_problem(hosts: Sequence[str], port: int) -> str | None:
    """One line that says why no server can listen on `port` of these hosts and what to do; None if one can.

    Another process can still take the port afterwards. The check exists for its readable message.
    """
    for host in hosts:
        try:
            opened = open_sockets([host], port)
        except (socket.gaierror, UnicodeError):
            return f"--host {host}: no such address; use an address of this machine, or 0.0.0.0 for all its addresses"
        except OSError as error:
            return _describe(error, host, port)
        for listening in opened:
            listening.close()
    return None


def admin_listen_problem(settings: GatewaySettings) -> str | None:
    """One line that says why the gateway cannot listen for the admin API, None if it can."""
    if settings.admin_address is None:
        return None
    try:
        opened = open_admin(settings.admin_address)
    except OSError as error:
        return f"--admin-listen {settings.admin_listen}: cannot listen there: {(error.strerror or str(error)).lower()}"
    opened.close()
    if settings.admin_address.path is not None:
        settings.admin_address.path.unlink(missing_ok=True)
    return None


def _describe(error: OSError, host: str, port: int) -> str:
    advice = {
        errno.EADDRINUSE: f"port {port} on {host} is in use: stop the process that uses it, or choose another --port",
        errno.EACCES: f"port {port} is not allowed for this user: choose a --port above 1023",
        errno.EADDRNOTAVAIL: f"--host {host}: not an address of this machine; 0.0.0.0 means all its addresses",
    }
    return advice.get(error.errno or 0, f"cannot listen on {host} port {port}: {error.strerror}")
