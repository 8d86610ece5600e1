"""Options of TCP sockets, to clients as to engines."""

import asyncio
import fcntl
import socket
import struct
import termios

_OPTIONS = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6), ("TCP_USER_TIMEOUT", 90_000))
"""No timeout ends a long answer. If a host disappears without closing its connections, the kernel notices it in 90 s
(tcp(7)).
"""
_TCP_OPTIONS = tuple((getattr(socket, name), value) for name, value in _OPTIONS if hasattr(socket, name))


def detect_dead_peer(connection: socket.socket) -> None:
    """Let the kernel end the connection if the other host disappears. Does nothing for a unix socket."""
    if connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP_OPTIONS:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def detect_dead_peer_of(transport: asyncio.BaseTransport) -> None:
    """The same for a transport. Each call of its own socket object would make a socket object, at three times the cost
    of the call.
    """
    its = transport.get_extra_info("socket")
    if its is None:
        return
    connection = socket.socket(its.family, its.type, its.proto, fileno=its.fileno())
    try:
        detect_dead_peer(connection)
    finally:
        connection.detach()


def reset(transport: asyncio.Transport) -> None:
    """Close the connection with a reset, so that the other side cannot take what it has received for complete."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def unacknowledged(transport: asyncio.Transport) -> int:
    """How many bytes that were written the other side's kernel has not acknowledged (tcp(7): SIOCOUTQ)."""
    unsent = transport.get_write_buffer_size()
    answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return unsent + int(struct.unpack("i", answer)[0])


def user_of(transport: asyncio.BaseTransport) -> str:
    """The client of a unix socket, by its user, where the system tells it."""
    connection = transport.get_extra_info("socket")
    if connection is None or not hasattr(socket, "SO_PEERCRED"):
        return "unix socket"
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return f"unix socket, user {user}"
