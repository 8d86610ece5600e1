"""Checks whether a server can listen on its address, before anything is built."""

import errno
import socket


def listen_problem(host: str, port: int) -> str | None:
    """One line that says why no server can listen on `host` and `port` and what to do; None if one can.

    Another process can still take the port afterwards. The check exists for its readable message.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        return f"--host {host}: no such address; use an address of this machine, or 0.0.0.0 for all its addresses"
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                return _describe(error, host, port)
    return None


def _describe(error: OSError, host: str, port: int) -> str:
    advice = {
        errno.EADDRINUSE: f"port {port} on {host} is in use: stop the process that uses it, or choose another --port",
        errno.EACCES: f"port {port} is not allowed for this user: choose a --port above 1023",
        errno.EADDRNOTAVAIL: f"--host {host}: not an address of this machine; 0.0.0.0 means all its addresses",
    }
    return advice.get(error.errno or 0, f"cannot listen on {host} port {port}: {error.strerror}")
