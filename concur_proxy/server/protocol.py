"""uvicorn's HTTP/1.1 server with additions. It extends private classes of uvicorn, see `untested_uvicorn`.

It sends trailers, serves requests that offer an upgrade as ordinary ones, limits the size of a head and the time that a
client may stall, answers invalid input with a clear error, serves HTTP/1.0 clients and clients that close their side
early, and notices when a client that pipelines requests disconnects.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from weakref import ref

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from concur_proxy.relay.client import ADMIN_CALLER, CUT_OFF, END_WITH_TRAILERS, NOTICE_GONE
from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.cycle import GatewayCycle
from concur_proxy.server.half_close import HalfClosed
from concur_proxy.server.old_client import OldClientCycle
from concur_proxy.server.stalls import WatchedClient
from concur_proxy.server.turnstile import Turnstile
from concur_proxy.upstream.sockets import detect_dead_peer, user_of
from concur_proxy.wire.answer.errors import error_answer
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import shape_of_path
from concur_proxy.wire.headers import Headers

logger = logging.getLogger(__name__)

FIRST_TESTED_UVICORN = (0, 36)
FIRST_UNTESTED_UVICORN = (0, 55)
"""The gateway is tested with versions of uvicorn from the first of these up to, but not including, the second."""
MAX_HEAD_BYTES = 1024 * 1024
"""Limit for a request head that has not ended yet. The relay applies the limit of the settings to complete ones."""
VERSIONS = ("1.0", "1.1")
"""The versions that are served. llhttp also reads a request without a version, as HTTP/0.9, and one of HTTP/2.0."""
_LEAVE = "concur_leave"
"""Attribute of a cycle: what is called when its client leaves."""
MAX_TARGET_BYTES = 65_535
"""Longest request target in bytes. The URL parsers reject longer ones."""


class GatewayProtocol(WatchedClient):
    """The connection of one client."""

    __slots__ = ("_address", "_ahead", "_half_closed", "_is_admin", "_refusal", "url")

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - uvicorn's
        connections: ClientConnections,
        turnstile: Turnstile,
        first: tuple[bytes, ...],
        is_admin: bool = False,
        **options: Any,  # noqa: ANN401
    ) -> None:
        """`first`: the beginnings of requests that do not wait for the turnstile. `is_admin`: the client has connected
        to the socket of the admin API.
        """
        super().__init__(*arguments, connections=connections, **options)
        self._turnstile = turnstile
        self._first = first
        self._is_admin = is_admin
        self._address = ""
        self._ahead: list[RequestResponseCycle] = []
        """Earlier requests whose answers had not ended when the latest request arrived."""
        self.url = b""
        self._refusal: GatewayFault | None = None
        """Why the connection's first request, or one of another version of HTTP, is refused. None is served after it.
        """
        self._half_closed: HalfClosed | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._address = self.client[0] if self.client else ""
        self._refusal = self._all.enter(self._address)
        if self._all.is_flooded:
            self.transport.abort()
            return
        detect_dead_peer(transport)
        self._start_watch()

    def data_received(self, data: bytes) -> None:
        """Bytes were received from the client."""
        self._unset_keepalive_if_required()
        self._all.on_busy(self)
        self._note_bytes()
        if self._held is not None:
            self._held.append(data)
        elif not self._must_wait(data) or self._turnstile.passes(self._go_on):
            self._take(data)
        else:
            self._held = [data]
            self.flow.pause_reading()

    def _must_wait(self, data: bytes) -> bool:
        """Whether these bytes begin a request that may have to wait for others."""
        begins = self._head_bytes == 0 and not self._lingers
        return begins and not self._is_admin and not data.startswith(self._first)

    def _go_on(self) -> None:
        """A request that has waited for the turnstile begins."""
        held, self._held = self._held, None
        if held is None or self.transport.is_closing():
            return
        self._note_bytes()
        self.flow.resume_reading()
        self._take(b"".join(held))

    def _take(self, data: bytes) -> None:
        if self._is_refused_body:
            self._drop(len(data))
        parts = [memoryview(data)]  # the last one comes first
        while parts and not self.transport.is_closing() and not self._lingers:
            self._parse(parts.pop(), parts)

    def _parse(self, data: memoryview, parts: list[memoryview]) -> None:
        """Parse bytes of the client. What is to be parsed after them is added to `parts`."""
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if (head := self._decline_upgrade()) is not None:
                parts += [data[upgrade.args[0] :], memoryview(head)]
        except httptools.HttpParserError as error:
            if len(self.url) > MAX_TARGET_BYTES:
                self._refuse(GatewayFault.TARGET_TOO_LONG, f"the limit is {MAX_TARGET_BYTES} bytes")
            else:
                self._refuse(GatewayFault.BAD_HTTP, str(error))
        else:
            if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(GatewayFault.HEADERS_TOO_LARGE, f"they exceed {MAX_HEAD_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field was received, or a trailer. Trailers are dropped, because no engine reads them."""
        if self._head_bytes is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        self._head_bytes = None
        if self.parser.should_upgrade():
            return
        detail, version = "", self.parser.get_http_version()
        if self._refusal is None and version not in VERSIONS:
            self._refusal, detail = GatewayFault.BAD_HTTP, f"its version is HTTP/{version}"
        if self._refusal is not None:
            self._refuse(self._refusal, detail)
            return
        before: RequestResponseCycle | None = self.cycle
        super().on_headers_complete()
        self._dropped_bytes = 0
        self.cycle.__class__ = GatewayCycle  # before its task has begun
        if self.scope["http_version"] == "1.0":
            self.cycle.__class__ = OldClientCycle
            self.cycle.waiting_for_100_continue = False
        served = ref(self.cycle)  # it has these extensions: a cycle would wait for a full garbage collection
        extensions: dict[str, Any] = {
            END_WITH_TRAILERS: partial(_end_with_trailers, served),
            CUT_OFF: partial(_cut_off, served),
            NOTICE_GONE: partial(_notice_gone, served),
        }
        if self._is_admin:
            extensions[ADMIN_CALLER] = self._address or user_of(self.transport)
        self.cycle.scope["extensions"] = extensions
        self._ahead = [] if before is None or before.response_complete else [*self._ahead, before]

    def on_body(self, body: bytes) -> None:
        """Bytes of a body were received."""
        if self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._head_bytes = 0
        if self._refusal is None and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer has ended."""
        super().on_response_complete()
        self._answered_at = self.loop.time()
        if cast("GatewayCycle", self.cycle).must_linger and self.cycle.response_complete:
            self._linger()
        elif self.timeout_keep_alive_task is not None:
            self._all.on_idle(self)

    def shutdown(self) -> None:
        """The server stops. A request that waits for the turnstile is still answered."""
        self._go_on()
        super().shutdown()

    def close_idle(self) -> None:
        """Make room for another client's connection."""
        self._all.on_busy(self)
        self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has finished sending. Returns whether its connection stays open for an answer."""
        self._go_on()
        cycle: RequestResponseCycle | None = self.cycle
        if self._lingers or cycle is None or cycle.more_body or cycle.response_complete:
            return False
        if self.scheme == "https" or self.scope["http_version"] == "1.0":
            return False
        cycle.keep_alive = False
        self._half_closed = HalfClosed(
            self.transport,
            may_ask=lambda: not cycle.response_started and all(before.response_complete for before in self._ahead),
            on_gone=self.transport.abort,
        )
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected. uvicorn notifies only its last request, but earlier ones can be in progress."""
        self._end_watch()
        if self._half_closed is not None:
            self._half_closed.close()
            self._half_closed = None
        self._all.on_busy(self)
        self._all.leave(self._address)
        for cycle in self._ahead:
            cycle.disconnected = cycle.disconnected or not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)
        for cycle in (*self._ahead, self.cycle):
            leave = getattr(cycle, _LEAVE, None)
            if leave is not None and not cycle.response_complete:
                leave()
        self._ahead = []

    def _decline_upgrade(self) -> bytes | None:
        """Serve a request that offers an upgrade, as Java's client does with h2c, as an ordinary one.

        The parser takes the bytes after such a head for the other protocol. So a new parser reads the head again,
        without the offer. Returns this head; None if the request is refused.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(GatewayFault.BAD_HTTP, "the gateway does not support CONNECT")
            return None
        kept = [field for field in self.headers if field[0] != b"upgrade"]
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode()), *(b"%b: %b" % field for field in kept)]
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        return b"\r\n".join([*lines, b"", b""])

    def _refuse(self, fault: GatewayFault, detail: str) -> None:
        """Answer input that is not a valid request, and close the connection: nothing after it can be parsed."""
        if self.transport.is_closing() or self._lingers:  # this follows what was refused already
            return
        logger.info("client %s: %s: %s", self.client, fault.code, detail)
        last: RequestResponseCycle | None = self.cycle
        nothing_sent = last is None or last.response_complete or not last.response_started
        if nothing_sent and all(cycle.response_complete for cycle in self._ahead):
            path = self.url.partition(b"?")[0].decode("latin-1")
            error = error_answer(fault, shape_of_path(path), detail=detail)
            lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
            lines += [b"%b: %b" % field for field in error.headers]
            self.transport.write(b"\r\n".join([*lines, b"", error.body]))
            if last is not None:
                last.disconnected = last.disconnected or not last.response_complete
                last.message_event.set()
            self._linger()
        else:
            self.transport.close()


def untested_uvicorn(version: str) -> str | None:
    """One line of advice if the gateway was not tested with this version of uvicorn, else None.

    It is a warning, not a refusal: another version usually works, and a security fix in uvicorn must be installable
    before this gateway has a new release.
    """
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if FIRST_TESTED_UVICORN <= numbers < FIRST_UNTESTED_UVICORN:
        return None
    first, end = (".".join(map(str, bound)) for bound in (FIRST_TESTED_UVICORN, FIRST_UNTESTED_UVICORN))
    return f"uvicorn {version} was not tested with this gateway: pip install 'uvicorn>={first},<{end}'"


async def _end_with_trailers(served: ref[RequestResponseCycle], body: bytes, trailers: Headers) -> None:
    cycle = served()
    assert cycle is not None  # noqa: S101 - the server still runs it
    if body:
        await cycle.send({"type": "http.response.body", "body": body, "more_body": True})
    if cycle.chunked_encoding and not cycle.disconnected:
        cycle.transport.write(b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in trailers))
        cycle.chunked_encoding = False  # the end of the body is written already
    await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})


def _notice_gone(served: ref[RequestResponseCycle], leave: Callable[[], None] | None) -> None:
    cycle = served()
    if cycle is None:
        return
    setattr(cycle, _LEAVE, leave)
    if leave is None:
        return
    cycle.flow.resume_reading()  # otherwise the end of the connection is not seen
    if cycle.disconnected:
        asyncio.get_running_loop().call_soon(leave)


def _cut_off(served: ref[RequestResponseCycle]) -> None:
    cycle = served()
    assert cycle is not None  # noqa: S101 - as above
    cycle.transport.close()
    cycle.disconnected = True  # otherwise uvicorn reports an unfinished answer as an error of the application
