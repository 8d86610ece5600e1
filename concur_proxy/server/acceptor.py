"""Accepts connections, so that a health check does not wait behind a thousand clients that connect at the same time.

The kernel hands out connections in the order in which they came. Taking one costs little; making a protocol for it and
serving its first request costs a hundred times as much. So many are taken in one round of the event loop, and only some
of them are served in it. Health checks and scrapes come first: they are recognised by their first bytes. TLS hides
these, so every second connection that is served then is the newest one: a health check waits for half of those that
come after it, and not for the thousand before it.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection

from concur_proxy.server.connections import ClientConnections
from concur_proxy.upstream.sockets import detect_dead_peer

logger = logging.getLogger(__name__)

TAKEN_PER_ROUND = 128
"""Connections that are taken from the kernel in one round of the event loop: about 1 ms of work."""
TAKEN_BY_A_WORKER = 8
"""The same for one of several workers, so that clients which connect at the same time are shared among the workers."""
SERVED_PER_ROUND = 8
"""Connections of those that get their protocol in one round: about 1 ms of work, and their requests follow."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE_S = 0.02
"""Seconds without accepting after the system had no file left for a connection, nor a spare one."""
REPORT_S = 5.0
"""Seconds between two log lines about that, at least."""


class Acceptor:
    """Accepts connections at one listening socket."""

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.Protocol],
        *,
        connections: ClientConnections,
        first: Collection[bytes],
        tls: ssl.SSLContext | None,
        handshake_s: float,
        taken_per_round: int = TAKEN_PER_ROUND,
    ) -> None:
        """`first` are the beginnings of requests that do not wait. `handshake_s` is for a TLS handshake."""
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make = make
        self._connections = connections
        self._first = tuple(first)
        self._taken_per_round = taken_per_round
        self._peeked = max(map(len, first))
        self._tls = tls
        self._handshake_s = None if tls is None else handshake_s
        self._waiting: deque[socket.socket] = deque()
        self._tasks: set[asyncio.Task[object]] = set()
        self._arriving = 0
        """Connections that are not waiting any more, and that `connections` does not count yet."""
        self._is_closed = False
        self._report_at = 0.0
        listening.settimeout(0)
        self._start()

    def close(self) -> None:
        """Stop accepting connections: the port refuses them. Those that were accepted are served."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._listening)
            self._listening.close()
            while self._waiting:
                self._serve(self._waiting.popleft())

    async def wait_closed(self) -> None:
        """Return when the connections that were accepted have their protocols."""
        await asyncio.gather(*self._tasks)

    def _start(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        """Connections have come."""
        had_waiting = bool(self._waiting)
        for _ in range(self._taken_per_round):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._report(error)
                if self._connections.spare.lend():
                    continue
                self._loop.remove_reader(self._listening)
                self._loop.call_later(PAUSE_S, self._start)
                break
            connection.settimeout(0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not, because of `proto`
            detect_dead_peer(connection)
            if self._connections.is_flooded_with(len(self._waiting) + self._arriving):
                connection.close()
            elif self._is_first(connection):
                self._serve(connection)
            else:
                self._waiting.append(connection)
        if self._waiting and not had_waiting:
            self._serve_some()

    def _report(self, error: OSError) -> None:
        if self._loop.time() >= self._report_at:
            self._report_at = self._loop.time() + REPORT_S
            logger.warning("connections are refused: %s; operators can raise the file limit", error)

    def _is_first(self, connection: socket.socket) -> bool:
        """Whether the connection is served at once: nothing has come yet, or a request that does not wait."""
        try:
            return connection.recv(self._peeked, socket.MSG_PEEK).startswith(self._first)
        except OSError:
            return True

    def _serve_some(self) -> None:
        for number in range(min(SERVED_PER_ROUND, len(self._waiting))):
            is_newest = self._tls is not None and number % 2 == 1
            self._serve(self._waiting.pop() if is_newest else self._waiting.popleft())
        if self._waiting:
            self._loop.call_soon(self._serve_some)

    def _serve(self, connection: socket.socket) -> None:
        self._arriving += 1
        task = self._loop.create_task(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        self._arriving -= 1
        try:
            await self._loop.connect_accepted_socket(
                self._make, connection, ssl=self._tls, ssl_handshake_timeout=self._handshake_s
            )
        except (OSError, TimeoutError) as error:  # the client has left, or it does not speak TLS
            logger.debug("a connection was not established: %s", error)
            connection.close()
