"""Whether a server could listen where it shall, asked before anything is built."""

import errno
import socket


def listen_problem(host: str, port: int) -> str | None:
    """Why nothing can listen on `host` and `port`, with the mend, on one line; None where it can.

    Another process can take the port right afterwards: this makes the message readable, not the start certain.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        return f"--host {host}: no such address; use an address of this machine, or 0.0.0.0 for all of them"
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                return _describe(error, host, port)
    return None


def _describe(error: OSError, host: str, port: int) -> str:
    mends = {
        errno.EADDRINUSE: f"port {port} on {host} is in use: stop what listens there, or choose another with --port",
        errno.EACCES: f"port {port} is not allowed to this user: choose one above 1023 with --port",
        errno.EADDRNOTAVAIL: f"--host {host}: not an address of this machine; 0.0.0.0 stands for all of them",
    }
    return mends.get(error.errno or 0, f"cannot listen on {host} port {port}: {error.strerror}")
