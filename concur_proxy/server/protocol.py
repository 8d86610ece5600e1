"""Serves clients: their connections, and their requests one after another.

uvicorn's own protocol makes a task for each request and three writes for each answer. Here a request for an engine
begins in the call that brings it, see `concur_proxy.eager`. Requests for the gateway's own paths go to an ASGI
application.
"""

import asyncio
import logging
from http import HTTPStatus

from concur_proxy.eager import Run
from concur_proxy.server.half_close import HalfClosed
from concur_proxy.server.http_client import MAX_WAITING, HttpClient
from concur_proxy.server.own_request import OwnRequest, scope_of
from concur_proxy.server.request import ClientRequest
from concur_proxy.server.serving import Serving
from concur_proxy.upstream.sockets import detect_dead_peer_of, user_of
from concur_proxy.wire.answer.errors import error_answer
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import shape_of_path

logger = logging.getLogger(__name__)

MAX_WAITING_BYTES = 64 * 1024
"""Reading pauses while more of a body than this was received and is not taken."""


class GatewayProtocol(HttpClient):
    """The connection of one client."""

    __slots__ = (
        "_address",
        "_half_closed",
        "_has_sent_all",
        "_is_admin",
        "_is_beginning",
        "_scheme",
        "_serving",
    )

    def __init__(self, serving: Serving, *, is_admin: bool = False) -> None:
        """`is_admin`: the client has connected to the socket of the admin API."""
        super().__init__(serving.connections, serving.keep_alive_s)
        self._serving = serving
        self._is_admin = is_admin
        self._address = ""
        self._scheme = "http"
        self._is_beginning = False
        self._half_closed: HalfClosed | None = None
        self._has_sent_all = False
        """Whether the client finished sending while its request waited for others to begin."""

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self._serving.open.add(self)
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None
        self._address = self.client[0] if self.client else ""
        if transport.get_extra_info("sslcontext") is not None:
            self._scheme = "https"
        self._refusal = self._all.enter(self._address)
        if self._all.is_flooded:
            self.transport.abort()
            return
        if self._is_admin:  # the acceptor has done so for the main port
            detect_dead_peer_of(transport)
        self._start_watch()

    def close_idle(self) -> None:
        """Make room for another client's connection."""
        self._all.on_busy(self)
        self.transport.close()

    def shutdown(self) -> None:
        """The server stops. A request that waits for the turnstile is still answered."""
        self._go_on()
        last = self._waiting[-1] if self._waiting else self._active
        if last is None:
            self.transport.close()
        else:
            last.keep_alive = False

    def eof_received(self) -> bool:
        """The client has finished sending. Returns whether its connection stays open for an answer."""
        if self._held is not None and self._scheme != "https":
            self._has_sent_all = True
            return True
        self._forget_incomplete()
        last = self._waiting[-1] if self._waiting else self._active
        if self._lingers or last is None or not last.is_received or last.is_answered:
            return False
        if self._scheme == "https" or last.is_old:
            return False
        last.keep_alive = False
        self._half_closed = HalfClosed(
            self.transport,
            may_ask=lambda: self._active is not None and not self._active.has_begun,
            on_gone=self.transport.abort,
        )
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected."""
        super().connection_lost(exc)
        if self._half_closed is not None:
            self._half_closed.close()
            self._half_closed = None
        self._serving.open.discard(self)
        self._all.on_busy(self)
        self._all.leave(self._address)
        if self._active is not None and self._serving.exits.passes(self._leave_active):
            self._leave_active()

    def _leave_active(self) -> None:
        """The client of the request that is being served has left."""
        if self._active is not None:
            self._active.leave()
            self.can_write.fire()

    # -- what the client sends

    def data_received(self, data: bytes) -> None:
        """Bytes were received from the client."""
        self._all.on_busy(self)
        self._note_bytes()
        if self._held is not None:
            self._held.append(data)
            self._pause()
            self._note_ahead(len(data))
        elif not self._must_wait(data) or self._serving.turnstile.passes(self._go_on):
            self._take(data)
        else:
            self._held = [data]  # reading goes on: most wait for less time than it takes to stop and begin again
            self._note_ahead(len(data))

    def _is_probe(self, begin: bytes) -> bool:
        """Whether a request that begins so is a health check or a scrape."""
        return begin.startswith(self._serving.first)

    def _head_limit(self) -> int:
        """How many bytes the names and values of a request's header may have."""
        return self._serving.relay.head_limit()

    def _must_wait(self, data: bytes) -> bool:
        """Whether these bytes begin a request that may have to wait for others."""
        begins = self._head_bytes == 0 and not self._lingers
        return begins and not self._is_admin and not data.startswith(self._serving.first)

    def _go_on(self) -> None:
        """A request that has waited for the turnstile begins."""
        held, self._held = self._held, None
        if held is None or self.transport.is_closing():
            return
        self._note_bytes()
        self.read_on()
        data = b"".join(held)
        self._sent_ahead = max(0, self._sent_ahead - len(data))
        self._take(data)
        if self._has_sent_all and not self.eof_received():
            self.transport.close()

    def _take(self, data: bytes) -> None:
        if self._is_refused_body:
            self._drop(len(data))
        is_ignored = self._ends
        parts: list[bytes | memoryview] = [data]  # the last one comes first
        while parts and not self.is_over:
            self._parse(parts.pop(), parts)
        if self._active is None:
            self._begin_waiting()
        else:
            self._active.has_come.fire()
        if not is_ignored:
            self._note_ahead(len(data))
        unread = 0 if self._receiving is None else self._receiving.body_bytes
        if self._waiting:
            unread = max(unread, self._sent_ahead)
        if unread > MAX_WAITING_BYTES or len(self._waiting) > MAX_WAITING:
            self._pause()

    # -- what is served

    def _begin_waiting(self) -> None:
        """Serve the requests that wait, one after another. It is a loop because thousands may be answered at once."""
        if self._is_beginning:
            return
        self._is_beginning = True
        while self._waiting and self._active is None and not (self.is_full or self.is_over):
            self._begin(self._waiting.pop(0))
        self._is_beginning = False

    def resume_writing(self) -> None:
        """The client has taken enough of the answers, so that the next request may begin."""
        super().resume_writing()
        if self._active is None:
            self._begin_waiting()

    def _begin(self, request: ClientRequest) -> None:
        self._active = request
        if self._receiving is request:
            self._heard_at = self.loop.time()  # from now on its body is waited for
        serving, served = self._serving, self._serving.served
        if not self._waiting:
            if self._ahead_bytes:
                self._forget_ahead()
            self.read_on()
        path = request.path
        if serving.root is not None:
            path, raw_path = serving.root.removed(path, request.raw_path)
        if self._is_admin or serving.is_own(path):
            caller = (self._address or user_of(self.transport)) if self._is_admin else None
            scope = scope_of(request, scheme=self._scheme, client=self.client, caller=caller)
            task = self.loop.create_task(OwnRequest(request).serve(serving.app, scope))
            served.add(task)
            task.add_done_callback(served.discard)
            return
        if serving.root is not None:
            request.path, request.raw_path = path, raw_path
        run = Run(serving.relay.serve(request), self._on_end)
        request.cancel = run.cancel
        served.add(run)
        run.start()

    def _on_end(self, run: Run) -> None:
        """The relay is done with the active request."""
        self._serving.served.discard(run)
        request = self._active
        if request is not None:
            request.cancel = None
            request.cut_off()  # an answer that is not complete
            self._on_served(request)

    def answered(self, request: ClientRequest) -> None:
        """An answer is complete."""
        self._answered_at = self.loop.time()
        if not request.keep_alive:
            if request.is_received and not self._dropped_bytes:
                self.transport.close()
            else:
                self._linger()
        if request.cancel is None:
            self._on_served(request)

    def _on_served(self, request: ClientRequest) -> None:
        """Nothing more is done for a request."""
        if request is not self._active:
            return
        self._active = None
        if self.is_over:
            return
        if not request.keep_alive:  # the server has begun to stop since the answer
            self.transport.close()
        elif self._waiting:
            self._begin_waiting()
        elif self._refused_later is not None:
            fault, detail, self._url = self._refused_later
            self._refuse(fault, detail)
        else:
            self._all.on_idle(self)
            self._note_idle()
            self.read_on()

    # -- what is not served

    def _refuse(self, fault: GatewayFault, detail: str) -> None:
        """Answer input that is not a valid request, and close the connection: nothing after it can be parsed. Complete
        requests that came before it are answered first.
        """
        if self.is_over:  # this follows what was refused already
            return
        faulty = self._receiving
        self._forget_incomplete()
        if self._waiting or self._active not in {None, faulty}:
            self._refused_later = fault, detail, self._url
            return
        logger.info("client %s: %s: %s", self.client, fault.code, detail)
        if faulty is None or not faulty.has_begun:
            path = self._url.partition(b"?")[0].decode("latin-1")
            error = error_answer(fault, shape_of_path(path), detail=detail)
            lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
            lines += [b"%b: %b" % field for field in error.headers]
            self.transport.write(b"\r\n".join([*lines, b"", error.body]))
            self._linger()
            self._leave_active()
        elif faulty.is_answered:  # the rest of what was refused
            self._linger()
        else:
            self.transport.close()
