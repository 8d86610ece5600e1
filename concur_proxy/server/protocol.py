"""HTTP/1.1 with clients, on llhttp (httptools).

uvicorn's own protocol makes a task for each request and three writes for each answer. Here a request for an engine
begins in the call that brings its last byte, see `concur_proxy.eager`. Requests for the gateway's own paths go to an
ASGI application.

A client may send its next request before the answer to the last one: they are served one after another. Requests that
offer an upgrade are served as ordinary ones. Trailers pass to the client. HTTP/1.0 is served too.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from concur_proxy.eager import Run, Signal
from concur_proxy.relay.client import Asgi
from concur_proxy.relay.relay import Relay
from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.half_close import HalfClosed
from concur_proxy.server.own_request import OwnRequest, scope_of
from concur_proxy.server.request import ClientRequest
from concur_proxy.server.root_path import RootPath
from concur_proxy.server.stalls import WatchedClient
from concur_proxy.server.turnstile import Turnstile
from concur_proxy.upstream.sockets import detect_dead_peer, user_of
from concur_proxy.wire.answer.errors import error_answer
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import shape_of_path
from concur_proxy.wire.headers import Headers

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 1024 * 1024
"""Limit for a request head that has not ended yet. The relay applies the limit of the settings to complete ones."""
VERSIONS = ("1.0", "1.1")
"""The versions that are served. llhttp also reads a request without a version, as HTTP/0.9, and one of HTTP/2.0."""
MAX_TARGET_BYTES = 65_535
"""Longest request target in bytes. The URL parsers reject longer ones."""
MAX_WAITING_BYTES = 64 * 1024
"""Reading pauses while more of a body than this was received and is not taken."""
MAX_WAITING = 16
"""Reading pauses while more requests than this wait for the answers of earlier ones."""


class Cancellable(Protocol):
    """What serves a request."""

    def cancel(self, msg: Any = None) -> bool: ...  # noqa: ANN401 - a task's


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What all connections of a server share."""

    app: Asgi
    """For the gateway's own paths."""
    relay: Relay
    is_own: Callable[[str], bool]
    """Whether a path is not an engine's, or not always."""
    root: RootPath | None
    connections: ClientConnections
    turnstile: Turnstile
    first: tuple[bytes, ...]
    """The beginnings of requests that do not wait for the turnstile."""
    keep_alive_s: float
    open: set[Any]
    """The connections that are open. The server closes them when it stops."""
    served: set[Any]
    """What serves requests. The server waits for them when it stops, and cancels those that take too long."""


class GatewayProtocol(WatchedClient):
    """The connection of one client."""

    __slots__ = (
        "_address",
        "_half_closed",
        "_headers",
        "_is_admin",
        "_is_beginning",
        "_parser",
        "_refusal",
        "_scheme",
        "_serving",
        "_url",
        "_waiting",
        "can_write",
        "is_full",
    )

    def __init__(self, serving: Serving, *, is_admin: bool = False) -> None:
        """`is_admin`: the client has connected to the socket of the admin API."""
        super().__init__(serving.connections, serving.keep_alive_s)
        self._serving = serving
        self._is_admin = is_admin
        self._address = ""
        self._scheme = "http"
        self._parser = httptools.HttpRequestParser(self)
        # otherwise a request that follows one with `connection: close` would be an error before that one is answered
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._url = b""
        self._headers: Headers = []
        self._waiting: list[ClientRequest] = []
        """Requests that wait for the answers of earlier ones."""
        self._is_beginning = False
        self._refusal: GatewayFault | None = None
        """Why the connection's first request, or one of another version of HTTP, is refused. None is served after it.
        """
        self._half_closed: HalfClosed | None = None
        self.is_full = False
        self.can_write = Signal()

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
        detect_dead_peer(transport)
        self._start_watch()

    def pause_writing(self) -> None:
        """The client takes less than is written."""
        self.is_full = True

    def resume_writing(self) -> None:
        """The client has taken enough."""
        self.is_full = False
        self.can_write.fire()

    def send(self, data: bytes) -> None:
        """Write, unless the connection is closing."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self.transport.close()

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
        self._go_on()
        last = self._waiting[-1] if self._waiting else self._active
        if self._lingers or last is None or self._receiving is not None or last.is_answered:
            return False
        if self._scheme == "https" or last.is_old:
            return False
        last.keep_alive = False
        self._half_closed = HalfClosed(
            self.transport,
            may_ask=lambda: self._active is last and not last.has_begun,
            on_gone=self.transport.abort,
        )
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The client disconnected."""
        self._end_watch()
        if self._half_closed is not None:
            self._half_closed.close()
            self._half_closed = None
        self._serving.open.discard(self)
        self._all.on_busy(self)
        self._all.leave(self._address)
        self._waiting = []
        self._receiving = None
        self.is_full = False
        self._leave_active()
        self._parser = None

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
        elif not self._must_wait(data) or self._serving.turnstile.passes(self._go_on):
            self._take(data)
        else:
            self._held = [data]
            self._pause()

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
        self._take(b"".join(held))

    def _take(self, data: bytes) -> None:
        if self._is_refused_body:
            self._drop(len(data))
        parts: list[bytes | memoryview] = [data]  # the last one comes first
        while parts and not self.transport.is_closing() and not self._lingers:
            self._parse(parts.pop(), parts)
        if self._active is None:
            self._begin_waiting()
        else:
            self._active.has_come.fire()
        unread = 0 if self._receiving is None else self._receiving.body_bytes
        if unread > MAX_WAITING_BYTES or len(self._waiting) > MAX_WAITING:
            self._pause()

    def _parse(self, data: bytes | memoryview, parts: list[bytes | memoryview]) -> None:
        """Parse bytes of the client. What is to be parsed after them is added to `parts`."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if (head := self._decline_upgrade()) is not None:
                parts += [memoryview(data)[upgrade.args[0] :], head]
        except httptools.HttpParserError as error:
            if len(self._url) > MAX_TARGET_BYTES:
                self._refuse(GatewayFault.TARGET_TOO_LONG, f"the limit is {MAX_TARGET_BYTES} bytes")
            else:
                self._refuse(GatewayFault.BAD_HTTP, str(error))
        else:
            if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(GatewayFault.HEADERS_TOO_LARGE, f"they exceed {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """A part of the request's target was received."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field was received, or a trailer. Trailers are dropped, because no engine reads them."""
        if self._head_bytes is not None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        self._head_bytes = None
        parser = self._parser
        if parser.should_upgrade():
            return
        detail, version = "", parser.get_http_version()
        if self._refusal is None and version not in VERSIONS:
            self._refusal, detail = GatewayFault.BAD_HTTP, f"its version is HTTP/{version}"
        if self._refusal is not None:
            self._refuse(self._refusal, detail)
            return
        path, raw_path, query = _split(self._url)
        request = ClientRequest(
            self,
            method=parser.get_method().decode("ascii"),
            path=path,
            raw_path=raw_path,
            query=query,
            headers=self._headers,
            is_old=version == "1.0",
        )
        request.keep_alive = not request.is_old and parser.should_keep_alive()
        self._has_asked = True
        self._dropped_bytes = 0
        self._receiving = request
        self._waiting.append(request)

    def on_body(self, body: bytes) -> None:
        """Bytes of a body were received."""
        if self._receiving is not None:
            self._receiving.received(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._head_bytes = 0
        if self._receiving is not None and not self._parser.should_upgrade():
            self._receiving.is_received = True
            self._receiving = None

    # -- what is served

    def _begin_waiting(self) -> None:
        """Serve the requests that wait, one after another. It is a loop because thousands may be answered at once."""
        if self._is_beginning:
            return
        self._is_beginning = True
        while self._waiting and self._active is None and not self.transport.is_closing() and not self._lingers:
            self._begin(self._waiting.pop(0))
        self._is_beginning = False

    def _begin(self, request: ClientRequest) -> None:
        self._active = request
        serving, served = self._serving, self._serving.served
        if len(self._waiting) <= MAX_WAITING:
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
        run = Run(serving.relay.serve(request), partial(self._on_end, request))
        request.cancel = run.cancel
        served.add(run)
        run.start()

    def _on_end(self, request: ClientRequest, run: Run) -> None:
        """The relay is done with a request."""
        self._serving.served.discard(run)
        request.cancel = None
        request.cut_off()  # an answer that is not complete
        self._on_served(request)

    def answered(self, request: ClientRequest) -> None:
        """An answer is complete."""
        self._answered_at = self.loop.time()
        if not request.keep_alive:
            if request.is_received:
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
        if self.transport.is_closing() or self._lingers:
            return
        if self._waiting:
            self._begin_waiting()
        else:
            self._all.on_idle(self)
            self._note_idle()
            self.read_on()

    # -- what is not served

    def _decline_upgrade(self) -> bytes | None:
        """Serve a request that offers an upgrade, as Java's client does with h2c, as an ordinary one.

        The parser takes the bytes after such a head for the other protocol. So a new parser reads the head again,
        without the offer. Returns this head; None if the request is refused.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(GatewayFault.BAD_HTTP, "the gateway does not support CONNECT")
            return None
        kept = [field for field in self._headers if field[0] != b"upgrade"]
        lines = [b"%b %b HTTP/%b" % (method, self._url, version.encode()), *(b"%b: %b" % field for field in kept)]
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        return b"\r\n".join([*lines, b"", b""])

    def _refuse(self, fault: GatewayFault, detail: str) -> None:
        """Answer input that is not a valid request, and close the connection: nothing after it can be parsed."""
        if self.transport.is_closing() or self._lingers:  # this follows what was refused already
            return
        logger.info("client %s: %s: %s", self.client, fault.code, detail)
        unanswered = [*self._waiting, *([] if self._active is None else [self._active])]
        if not unanswered or (len(unanswered) == 1 and not unanswered[0].has_begun):
            path = self._url.partition(b"?")[0].decode("latin-1")
            error = error_answer(fault, shape_of_path(path), detail=detail)
            lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
            lines += [b"%b: %b" % field for field in error.headers]
            self.transport.write(b"\r\n".join([*lines, b"", error.body]))
            self._waiting = []
            self._linger()
            self._leave_active()
        else:
            self.transport.close()


def _split(url: bytes) -> tuple[str, bytes, bytes]:
    """A request's path, percent-decoded and as received, and its query. Raises httptools' errors."""
    if url.startswith(b"/") and b"#" not in url and len(url) <= MAX_TARGET_BYTES and url.isascii():
        raw_path, _, query = url.partition(b"?")
    else:
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path, parsed.query or b""
    path = raw_path.decode("ascii")
    return (unquote(path) if "%" in path else path), raw_path, query
