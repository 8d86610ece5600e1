"""Closes the connections of clients that stall: while they send a head or a body, or while they take an answer.

A client that still sends when its answer has ended is read on for a while, and what it sends is dropped. If the
connection were closed at once, the client's machine would get a reset, and could drop the answer that nobody has read.
"""

import asyncio
import logging
import math
from typing import cast

from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.half_close import is_reset
from concur_proxy.server.request import ClientRequest
from concur_proxy.upstream.sockets import unacknowledged
from concur_proxy.wire.answer.fault import GatewayFault

logger = logging.getLogger(__name__)

LINGER_S = 30.0
"""Seconds for the rest of a body that was refused. nginx has the same bounds of time."""
LINGER_SILENCE_S = 5.0
"""Seconds without any byte of such a body, and seconds in all for a client that was refused by its head."""
LINGER_BYTES = 256 * 1024 * 1024
"""Bytes of such a body."""
LOOK_S = 10.0
"""Seconds between two looks at a connection, at most."""


class WatchedClient(asyncio.Protocol):
    """The connection of one client. It notes when the client did something last, and looks at it now and then."""

    __slots__ = (
        "_active",
        "_all",
        "_answered_at",
        "_dropped_bytes",
        "_has_asked",
        "_head_bytes",
        "_head_since",
        "_heard_at",
        "_held",
        "_is_paused",
        "_keep_alive_s",
        "_lingers",
        "_look_at",
        "_receiving",
        "_unsent",
        "_unsent_since",
        "_waiting",
        "client",
        "loop",
        "transport",
    )

    transport: asyncio.Transport
    """Set when the client has connected."""

    def __init__(self, connections: ClientConnections, keep_alive_s: float) -> None:
        """`keep_alive_s`: how long a connection without a request stays open."""
        self.loop = asyncio.get_running_loop()
        self._all = connections
        self._keep_alive_s = keep_alive_s
        self.client: tuple[str, int] | None = None
        """The client's address; None for a unix socket."""
        self._head_bytes: int | None = 0
        """Bytes received of an incomplete head; None while a body is received."""
        self._head_since = 0.0
        """When the current head began, by the loop's clock; for the first one, when the client connected."""
        self._heard_at = 0.0
        """When the last bytes came."""
        self._answered_at = 0.0
        """When the last answer ended."""
        self._has_asked = False
        """Whether a request has come."""
        self._receiving: ClientRequest | None = None
        """The request whose body is being received."""
        self._active: ClientRequest | None = None
        """The request that is being served."""
        self._waiting: list[ClientRequest] = []
        """Requests that wait for the answers of earlier ones."""
        self._held: list[bytes] | None = None
        """What the client has sent while its request waits for others to begin."""
        self._is_paused = False
        """Whether nothing is read from the client."""
        self._lingers = False
        """Whether the connection is closed as soon as the client closes its side."""
        self._dropped_bytes = 0
        """Bytes received of a body after its request was answered."""
        self._unsent = 0
        """Bytes of answers that the client had not taken at the last look, if some still waited to be sent."""
        self._unsent_since = 0.0
        """Since when their number has not changed."""
        self._look_at: float | None = None
        """When the connection is looked at next; None: not any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = cast("asyncio.Transport", transport)

    def read_on(self) -> None:
        """Read what the client sends, if reading was paused."""
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    @property
    def is_over(self) -> bool:
        """Whether no request of this connection is served any more."""
        return self._lingers or self.transport.is_closing()

    def _refuse(self, fault: GatewayFault, detail: str) -> None:
        """Answer with an error, and close the connection."""
        raise NotImplementedError

    def _start_watch(self) -> None:
        """The client has connected."""
        self._head_since = self._heard_at = self.loop.time()
        self._look_later(self._head_since)

    def _note_bytes(self) -> None:
        """Bytes were received from the client."""
        self._heard_at = self.loop.time()
        if self._head_bytes == 0 and self._has_asked:
            self._head_since = self._heard_at

    def _drop(self, size: int) -> None:
        """The client has sent this many bytes of a body that was refused."""
        self._dropped_bytes += size
        if self._dropped_bytes > LINGER_BYTES:
            logger.info("client %s: the rest of its body exceeds %d bytes", self.client, LINGER_BYTES)
            self.transport.close()

    def _linger(self) -> None:
        """Close the connection, but read on what the client still sends. Nothing may be written any more."""
        if self.transport.is_closing():
            return
        is_sending = self._head_bytes is None
        if not is_sending and not self.transport.can_write_eof():  # TLS: the client would not see the end
            self.transport.close()
            return
        self._lingers = True
        self._answered_at = self.loop.time()
        self.read_on()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._look_later(self._answered_at)

    def _look_later(self, now: float) -> None:
        """Look again at the time when the client could have stalled for too long."""
        self._end_watch()
        self._look_at = min(self._stalls_at(now), now + LOOK_S)
        self._all.looks.add(self, self._look_at)

    def _note_idle(self) -> None:
        """The connection has no request."""
        if self._look_at is None or self._look_at > self._answered_at + self._keep_alive_s:
            self._look_later(self._answered_at)

    def _end_watch(self) -> None:
        """The client has disconnected. What is still to be looked at would stay in memory until then."""
        if self._look_at is not None:
            self._all.looks.remove(self, self._look_at)
            self._look_at = None

    def look(self) -> None:
        """See whether the client has stalled."""
        self._look_at = None
        unsent = self.transport.get_write_buffer_size()
        if self.transport.is_closing() and not unsent:
            return
        now, limits = self.loop.time(), self._all.limits
        if self._takes_nothing(unsent, now):
            logger.info("client %s took no byte of its answer for %g s", self.client, limits.send_timeout_s)
            self.transport.abort()
            return
        if self._is_paused and is_reset(self.transport):
            self.transport.abort()
            return
        if self._stalls_at(now) <= now:
            if self._is_refused_body:
                self.transport.close()
            elif self._head_bytes is None:
                self._refuse(GatewayFault.CLIENT_STALLED, f"no byte of the body came for {limits.body_timeout_s:g} s")
            elif self._head_bytes:
                self._refuse(GatewayFault.CLIENT_STALLED, f"the head took longer than {limits.head_timeout_s:g} s")
            else:  # an idle connection, or one on which nothing was ever sent, as by a port scan
                self.transport.close()
        if not self.transport.is_closing() or unsent:
            self._look_later(now)

    def _takes_nothing(self, unsent: int, now: float) -> bool:
        """Whether the client has taken no byte of what waits to be sent for too long."""
        if unsent:
            unsent = unacknowledged(self.transport)  # the kernel may take more only after a slow client has taken much
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return now - self._unsent_since >= self._all.limits.send_timeout_s

    @property
    def _is_refused_body(self) -> bool:
        """Whether the client still sends a body although its request was answered."""
        return self._lingers or (self._receiving is not None and self._receiving.is_answered)

    def _stalls_at(self, now: float) -> float:
        """When the client will have stalled for too long if nothing more comes from it."""
        limits = self._all.limits
        if self.transport.is_closing() or self._held is not None:
            return math.inf
        if self._is_refused_body:
            most_s = LINGER_S if self._head_bytes is None else LINGER_SILENCE_S
            return min(self._answered_at + most_s, max(self._answered_at, self._heard_at) + LINGER_SILENCE_S)
        if self._active is not self._receiving or self._waiting:
            return math.inf  # the client waits for an answer, and what it sends after that request may take long
        if self._head_bytes is None:
            since = now if self._is_paused else self._heard_at  # paused: it is the gateway that does not read
            return since + limits.body_timeout_s
        if self._head_bytes or not self._has_asked:
            return max(self._head_since, self._answered_at) + limits.head_timeout_s
        return self._answered_at + self._keep_alive_s
