"""The connections of all clients together: how many there may be, and which one makes room for another."""

import resource
from dataclasses import dataclass
from typing import Protocol

from concur_proxy.server.fields import SharedFields
from concur_proxy.server.looks import Looks
from concur_proxy.server.spare_files import SpareFiles
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.wire.answer.fault import GatewayFault

SPARE_FILES = 16
"""Files that are kept for connections that come when there is no other file left."""
RESERVED_FILES = 48 + SPARE_FILES
"""Files that the gateway needs besides connections: listening sockets, scrapes, Redis, records, libraries, spare ones.
"""
MOST_FILES = 1_048_576
"""The file limit is not raised beyond this, where the system allows any number."""
SURPLUS = 0.1
"""Part of the limit by which connections may exceed it for as long as it takes to refuse them with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """What one client, or all of them, may do to the gateway's sockets. Times are in seconds."""

    head_timeout_s: float
    """For a whole request head, also the first one of a connection."""
    body_timeout_s: float
    """Without any byte of a body."""
    send_timeout_s: float
    """Without any byte of an answer taken by the client."""
    max_connections: int
    max_per_client: int
    """Connections from one address; 0 for no limit."""

    @classmethod
    def of(cls, settings: GatewaySettings) -> "ClientLimits":
        """The limits of the settings. There are never more connections than the file limit allows."""
        return cls(
            head_timeout_s=settings.head_timeout_s,
            body_timeout_s=settings.body_timeout_s,
            send_timeout_s=settings.send_timeout_s,
            max_connections=min(settings.max_connections, connections_for(file_limit())),
            max_per_client=settings.max_connections_per_client,
        )


class Closable(Protocol):
    """A connection that can be closed while it is idle."""

    def close_idle(self) -> None: ...


class ClientConnections:
    """Counts connections. It is shared by all connections of a server."""

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        self.spare = SpareFiles()
        self.looks = Looks()
        self.fields = SharedFields()
        self.ahead_bytes = 0
        """Memory for what all clients have sent ahead, see `concur_proxy.server.ahead`."""
        self._count = self._most = 0
        self._by_client: dict[str, int] = {}
        self._idle: dict[Closable, None] = {}
        """Connections between two requests; the one that is idle for longest comes first."""

    def enter(self, client: str) -> GatewayFault | None:
        """A client has connected; `client` is its address. Returns why it is refused, None if it is welcome.

        If there are too many connections, or files are short, an idle one is closed for it. Call `leave` in any case.
        """
        self._count += 1
        self._most = max(self._most, self._count)
        own = self._by_client[client] = self._by_client.get(client, 0) + 1
        if self.limits.max_per_client and own > self.limits.max_per_client:
            return GatewayFault.TOO_MANY_FROM_CLIENT
        if self._count <= self.limits.max_connections and self.spare.refill():
            return None
        for oldest in self._idle:
            oldest.close_idle()
            return None
        return GatewayFault.TOO_MANY_CONNECTIONS

    def has_ebbed(self, by: int) -> bool:
        """Whether there are fewer connections by this number than there were at most since this was last true."""
        if self._most - self._count < by:
            return False
        self._most = self._count
        return True

    @property
    def is_busy(self) -> bool:
        """Whether a client has sent something, or has just connected, and its answer has not ended."""
        return self._count > len(self._idle)

    @property
    def is_flooded(self) -> bool:
        """Whether there are so many connections that the gateway cannot even refuse another one."""
        return self.is_flooded_with(0)

    def is_flooded_with(self, more: int) -> bool:
        """Whether there would be too many with `more` connections that have not entered yet."""
        return self._count + more > self.limits.max_connections * (1 + SURPLUS) + 1

    def leave(self, client: str) -> None:
        """A client has disconnected."""
        self._count -= 1
        left = self._by_client.get(client, 0) - 1
        if left > 0:
            self._by_client[client] = left
        else:
            self._by_client.pop(client, None)

    def on_idle(self, connection: Closable) -> None:
        """The connection's last answer has ended."""
        self._idle[connection] = None

    def on_busy(self, connection: Closable) -> None:
        """The connection has received something, or is closed."""
        self._idle.pop(connection, None)


def connections_for(files: int) -> int:
    """How many clients this many files are enough for: each has a connection, and one to an engine."""
    return max(1, (files - RESERVED_FILES) // 2)


def file_limit() -> int:
    """The number of files that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def raise_file_limit() -> int:
    """Raise the number of files that this process may have open as far as the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return file_limit()
