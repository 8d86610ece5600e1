"""uvicorn's HTTP/1.1 server with additions. It extends private classes of uvicorn, see `untested_uvicorn`.

It sends trailers, serves requests that offer an upgrade as ordinary ones, limits the size of a head, answers invalid
input with a clear error, and notices when a client that pipelines requests disconnects.
"""

import logging
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from concur_proxy.relay.client import CUT_OFF, END_WITH_TRAILERS
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
MAX_TARGET_BYTES = 65_535
"""Longest request target in bytes. The URL parsers reject longer ones."""


class GatewayProtocol(HttpToolsProtocol):
    """The connection of one client."""

    _ahead: list[RequestResponseCycle] = []  # noqa: RUF012 - never changed, only replaced
    """Earlier requests whose answers had not ended when the latest request arrived."""
    url = b""
    _head_bytes: int | None = 0
    """Bytes received of an incomplete head; None while a body is received."""

    def data_received(self, data: bytes) -> None:
        """Bytes were received from the client."""
        self._unset_keepalive_if_required()
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
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
        before: RequestResponseCycle | None = self.cycle
        super().on_headers_complete()
        extensions: dict[str, Any] = {
            END_WITH_TRAILERS: partial(_end_with_trailers, self.cycle),
            CUT_OFF: partial(_cut_off, self.cycle),
        }
        self.cycle.scope["extensions"] = extensions
        self._ahead = [] if before is None or before.response_complete else [*self._ahead, before]

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._head_bytes = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected. uvicorn notifies only its last request, but earlier ones can be in progress."""
        for cycle in self._ahead:
            cycle.disconnected = cycle.disconnected or not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Serve a request that offers an upgrade, as Java's client does with h2c, as an ordinary one.

        The parser takes the bytes after such a head for the other protocol. So a new parser reads the head again,
        without the offer.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(GatewayFault.BAD_HTTP, "the gateway does not support CONNECT")
            return
        kept = [field for field in self.headers if field[0] != b"upgrade"]
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode()), *(b"%b: %b" % field for field in kept)]
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _refuse(self, fault: GatewayFault, detail: str) -> None:
        """Answer input that is not a valid request, and close the connection: nothing after it can be parsed."""
        logger.info("client %s: %s: %s", self.client, fault.code, detail)
        last: RequestResponseCycle | None = self.cycle
        nothing_sent = last is None or last.response_complete or not last.response_started
        if nothing_sent and all(cycle.response_complete for cycle in self._ahead):
            path = self.url.partition(b"?")[0].decode("latin-1")
            error = error_answer(fault, shape_of_path(path), detail=detail)
            lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
            lines += [b"%b: %b" % field for field in error.headers]
            self.transport.write(b"\r\n".join([*lines, b"", error.body]))
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


async def _end_with_trailers(cycle: RequestResponseCycle, body: bytes, trailers: Headers) -> None:
    if body:
        await cycle.send({"type": "http.response.body", "body": body, "more_body": True})
    if cycle.chunked_encoding and not cycle.disconnected:
        cycle.transport.write(b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in trailers))
        cycle.chunked_encoding = False  # the end of the body is written already
    await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})


def _cut_off(cycle: RequestResponseCycle) -> None:
    cycle.transport.close()
    cycle.disconnected = True  # otherwise uvicorn reports an unfinished answer as an error of the application
