"""What all connections of a server share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from concur_proxy.relay.client import Asgi
from concur_proxy.relay.relay import Relay
from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.root_path import RootPath
from concur_proxy.server.turnstile import Turnstile


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The application, the relay and the counts behind every connection of this process."""

    app: Asgi
    """For the gateway's own paths."""
    relay: Relay
    is_own: Callable[[str], bool]
    """Whether a path is not an engine's, or not always."""
    root: RootPath | None
    connections: ClientConnections
    turnstile: Turnstile
    exits: Turnstile
    """For the requests of clients that have left, so that a thousand that leave at once do not delay everything else.
    """
    first: tuple[bytes, ...]
    """The beginnings of requests that do not wait for the turnstile."""
    keep_alive_s: float
    open: set[Any]
    """The connections that are open. The server closes them when it stops."""
    served: set[Any]
    """What serves requests. The server waits for them when it stops, and cancels those that take too long."""

    def has_ebbed(self, by: int) -> bool:
        """Whether there are fewer connections by this number than there were at most since this was last true."""
        return self.connections.has_ebbed(by)

    @property
    def is_ending(self) -> bool:
        """Whether requests are still to be ended whose clients have left."""
        return len(self.exits) > 0

    @property
    def is_busy(self) -> bool:
        """Whether a client waits for an answer."""
        return self.connections.is_busy
