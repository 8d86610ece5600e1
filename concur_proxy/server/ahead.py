"""Counts what clients have sent ahead of what is served: heads that have not ended, requests that wait for the answers
of earlier ones, and what waits for the turnstile.

Bodies of requests that are served have a limit of their own, see `concur_proxy.relay.open_requests`. Without a limit
here, some hundred connections could fill the memory with what nobody will ever answer.
"""

from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.stalls import WatchedClient
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.headers import Headers

MOST_BYTES = 64 * 1024 * 1024
"""For all connections together. One that sends more ahead then is not served any further."""
SMALL_BYTES = 16 * 1024
"""A connection may always send this much ahead, so that those that send usual heads are served in any case."""
REQUEST_BYTES = 512
FIELD_BYTES = 100
"""What a request that waits and a header field cost in memory, in addition to their bytes."""


class CountedClient(WatchedClient):
    """The connection of one client, and what it has sent ahead."""

    __slots__ = ("_ahead_bytes", "_ends", "_headers", "_sent_ahead")

    def __init__(self, connections: ClientConnections, keep_alive_s: float) -> None:
        super().__init__(connections, keep_alive_s)
        self._headers: Headers = []
        """Of the head that is being received."""
        self._ends = False
        """Whether the connection ends with the last request that was received. What follows is ignored (RFC 9112, 9.6).
        """
        self._sent_ahead = 0
        """Bytes that the client has sent ahead."""
        self._ahead_bytes = 0
        """The memory that they take, as it counts among those of all connections."""

    def _note_ahead(self, size: int) -> None:
        """The client has sent `size` bytes, and what can begin at once has begun."""
        if self._held is not None or self._waiting or self._head_bytes:
            self._sent_ahead += size
            fields = len(self._headers) + sum(len(request.headers) for request in self._waiting)
            self._count_ahead(self._sent_ahead + REQUEST_BYTES * len(self._waiting) + FIELD_BYTES * fields)
            if self._all.ahead_bytes > MOST_BYTES and self._ahead_bytes > SMALL_BYTES:
                self._drop_ahead()
        elif self._ahead_bytes:
            self._forget_ahead()

    def _forget_ahead(self) -> None:
        """Nothing that was sent ahead is left."""
        self._sent_ahead = 0
        self._count_ahead(0)

    def _count_ahead(self, size: int) -> None:
        self._all.ahead_bytes += size - self._ahead_bytes
        self._ahead_bytes = size

    def _drop_ahead(self) -> None:
        """Keep nothing of what the client has sent ahead, and close the connection after the answer that is due."""
        self._forget_ahead()
        self._headers, self._held, self._receiving = [], None, None
        self._waiting.clear()
        self._ends = True
        self.read_on()
        if self._active is None:
            self._refuse(GatewayFault.BODIES_TOO_LARGE, f"clients have sent more than {MOST_BYTES} bytes ahead")
        else:
            self._active.keep_alive = False
