"""A client's connection as HTTP/1.1, on llhttp (httptools): what it sends becomes requests.

Requests that offer an upgrade are ordinary ones. HTTP/1.0 is accepted too.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import httptools

from concur_proxy.eager import Signal
from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.request import ClientRequest
from concur_proxy.server.stalls import WatchedClient
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.headers import Headers

CROWDED = frozenset({GatewayFault.TOO_MANY_CONNECTIONS, GatewayFault.TOO_MANY_FROM_CLIENT})
"""Health checks and scrapes are not refused for these. Their connection ends with the answer."""
MAX_HEAD_BYTES = 1024 * 1024
"""Limit for a request head that has not ended yet. The relay applies the limit of the settings to complete ones."""
VERSIONS = ("1.0", "1.1")
"""The versions that are served. llhttp also reads a request without a version, as HTTP/0.9, and one of HTTP/2.0."""
_METHODS = {method.encode(): method for method in ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")}
COMMON_TARGET_BYTES = 64
"""Targets up to this length are remembered: engines have few paths, and most targets are one of them."""
MAX_TARGET_BYTES = 65_535
"""Longest request target in bytes. The URL parsers reject longer ones."""


class HttpClient(WatchedClient):
    """The connection of one client. It is the `Way` of its requests."""

    __slots__ = ("_headers", "_is_between", "_parser", "_refusal", "_url", "_waiting", "can_write", "is_full")

    def __init__(self, connections: ClientConnections, keep_alive_s: float) -> None:
        super().__init__(connections, keep_alive_s)
        self._parser: Any = None
        """None between two requests, because a parser takes 1 kB while a request waits."""
        self._is_between = True
        """Whether the next byte begins a request."""
        self._url = b""
        self._headers: Headers = []
        self._waiting: list[ClientRequest] = []
        """Requests that wait for the answers of earlier ones."""
        self._refusal: GatewayFault | None = None
        """Why the connection's first request, or one of another version of HTTP, is refused. None is served after it.
        """
        self.is_full = False
        self.can_write = Signal()

    def answered(self, request: ClientRequest) -> None:
        """An answer is complete."""
        raise NotImplementedError

    def _is_probe(self, begin: bytes) -> bool:
        """Whether a request that begins so is a health check or a scrape."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected."""
        super().connection_lost(exc)
        self._end_watch()
        self._waiting = []
        self._receiving = self._parser = None
        self.is_full = False

    # -- what is written

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

    # -- what the client sends

    def _parse(self, data: bytes | memoryview, parts: list[bytes | memoryview]) -> None:
        """Parse bytes of the client. What is to be parsed after them is added to `parts`."""
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
            # otherwise a request that follows one with `connection: close` would be an error before its answer
            self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
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
            elif self._is_between:
                self._parser = None

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_between = False
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """A part of the request's target was received."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field was received, or a trailer. Trailers are dropped, because no engine reads them."""
        if self._head_bytes is not None:
            self._all.fields.add(self._headers, name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        self._head_bytes = None
        parser = self._parser
        if parser.should_upgrade():
            return
        detail, version = "", parser.get_http_version()
        if self._refusal is None and version not in VERSIONS:
            self._refusal, detail = GatewayFault.BAD_HTTP, f"its version is HTTP/{version}"
        is_probe = self._refusal in CROWDED and self._is_probe(parser.get_method() + b" " + self._url + b" ")
        if self._refusal is not None and not is_probe:
            self._refuse(self._refusal, detail)
            return
        method, url, headers = parser.get_method(), self._url, self._headers
        self._headers = []
        path, raw_path, query = _split_common(url) if len(url) <= COMMON_TARGET_BYTES else _split(url)
        request = ClientRequest(
            self,
            method=_METHODS.get(method) or method.decode("ascii"),
            path=path,
            raw_path=raw_path,
            query=query,
            headers=headers,
            is_old=version == "1.0",
        )
        request.keep_alive = not request.is_old and not is_probe and parser.should_keep_alive()
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
        self._is_between = True
        if self._receiving is not None and not self._parser.should_upgrade():
            self._receiving.is_received = True
            self._receiving = None

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


def _split(url: bytes) -> tuple[str, bytes, bytes]:
    """A request's path, percent-decoded and as received, and its query. Raises httptools' errors."""
    if url.startswith(b"/") and b"#" not in url and len(url) <= MAX_TARGET_BYTES and url.isascii():
        raw_path, _, query = url.partition(b"?")
    else:
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path, parsed.query or b""
    path = raw_path.decode("ascii")
    return (unquote(path) if "%" in path else path), raw_path, query


_split_common = lru_cache(maxsize=256)(_split)
