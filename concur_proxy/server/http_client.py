"""A client's connection as HTTP/1.1, on llhttp (httptools): what it sends becomes requests.

Requests that offer an upgrade are ordinary ones. HTTP/1.0 is accepted too.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import httptools

from concur_proxy.eager import Signal
from concur_proxy.server.ahead import CountedClient
from concur_proxy.server.connections import ClientConnections
from concur_proxy.server.head import fault_of_head
from concur_proxy.server.request import ClientRequest
from concur_proxy.upstream.sockets import reset
from concur_proxy.wire.answer.fault import GatewayFault

CROWDED = frozenset({GatewayFault.TOO_MANY_CONNECTIONS, GatewayFault.TOO_MANY_FROM_CLIENT})
"""Health checks and scrapes are not refused for these. Their connection ends with the answer."""
MOST_FIELDS = 256
"""Header fields of a request. Apache, Tomcat and HAProxy allow 100: short ones take 25 times their size in memory."""
SPARE_HEAD_BYTES = 2048
"""A head that has not ended may be larger by this than the limit of the settings, which is for names and values only.
"""
VERSIONS = ("1.0", "1.1")
"""The versions that are served. llhttp also reads a request without a version, as HTTP/0.9, and one of HTTP/2.0."""
_METHODS = {method.encode(): method for method in ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")}
COMMON_TARGET_BYTES = 64
"""Targets up to this length are remembered: engines have few paths, and most targets are one of them."""
MAX_WAITING = 16
"""Reading pauses while more requests than this wait for the answers of earlier ones."""
MOST_WAITING = 128
"""The connection ends after this many waiting requests: one read can bring ten thousand."""
MAX_TARGET_BYTES = 65_535
"""Longest request target in bytes. The URL parsers reject longer ones."""


class HttpClient(CountedClient):
    """The connection of one client. It is the `Way` of its requests."""

    __slots__ = (
        "_came",
        "_has_begun",
        "_parser",
        "_refusal",
        "_refused_later",
        "_url",
        "_wordless_bytes",
        "can_write",
        "is_full",
    )

    def __init__(self, connections: ClientConnections, keep_alive_s: float) -> None:
        super().__init__(connections, keep_alive_s)
        self._parser: Any = None
        """None between two requests, because a parser takes 1 kB while a request waits."""
        self._url = b""
        self._came: list[bytes] = []
        """Parts of a body that were received and do not belong to their request yet."""
        self._has_begun = False
        """Whether a request has begun and not ended."""
        self._wordless_bytes = 0
        """Bytes since the last byte of a body that belong to no body, such as trailers."""
        self._refused_later: tuple[GatewayFault, str, bytes] | None = None
        """Why what followed the last request is refused once that request is answered, and its target."""
        self._refusal: GatewayFault | None = None
        """Why the connection's first request, or one that is no valid HTTP/1.1, is refused. None is served after it."""
        self.is_full = False
        self.can_write = Signal()

    def answered(self, request: ClientRequest) -> None:
        """An answer is complete."""
        raise NotImplementedError

    def _is_probe(self, begin: bytes) -> bool:
        """Whether a request that begins so is a health check or a scrape."""
        raise NotImplementedError

    def _head_limit(self) -> int:
        """How many bytes the names and values of a request's header may have."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        """The client disconnected."""
        super().connection_lost(exc)
        self._end_watch()
        self._forget_ahead()
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

    def reset(self) -> None:
        """Close the connection with a reset."""
        reset(self.transport)

    # -- what the client sends

    def _parse(self, data: bytes | memoryview, parts: list[bytes | memoryview]) -> None:
        """Parse bytes of the client. What is to be parsed after them is added to `parts`."""
        if self._ends:
            self._drop(len(data))
            return
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        else:
            self._wordless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if (head := self._decline_upgrade()) is not None:
                parts += [memoryview(data)[upgrade.args[0] :], head]
        except httptools.HttpParserError as error:
            self._refuse_input(error)
        else:
            if self._came:
                self._hand_over()
            if not self._has_begun:  # a line break between two requests is ignored (RFC 9112, 2.2)
                self._head_bytes, self._parser = 0, None
            else:
                self._limit()

    def _limit(self) -> None:
        """Refuse a head that is too large already, and what is too large and belongs to no body."""
        if len(self._url) > MAX_TARGET_BYTES and self._head_bytes:
            self._refuse(GatewayFault.TARGET_TOO_LONG, f"the limit is {MAX_TARGET_BYTES} bytes")
            return
        limit = self._head_limit()
        if (self._head_bytes or 0) > limit + len(self._url) + SPARE_HEAD_BYTES or self._wordless_bytes > limit:
            self._refuse(GatewayFault.HEADERS_TOO_LARGE, f"the limit is {limit} bytes")

    def _refuse_input(self, error: httptools.HttpParserError) -> None:
        self._came.clear()
        if self._ends:
            self._drop(1)
        elif len(self._url) > MAX_TARGET_BYTES:
            self._refuse(GatewayFault.TARGET_TOO_LONG, f"the limit is {MAX_TARGET_BYTES} bytes")
        elif len(self._headers) >= MOST_FIELDS:
            self._refuse(GatewayFault.HEADERS_TOO_LARGE, f"the limit is {MOST_FIELDS} fields")
        else:
            self._refuse(GatewayFault.BAD_HTTP, str(error))

    def on_message_begin(self) -> None:
        """A request begins."""
        self._has_begun = True
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """A part of the request's target was received."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field was received, or a trailer. Trailers are dropped, because no engine reads them."""
        if self._head_bytes is not None:
            headers = self._headers
            if len(headers) >= MOST_FIELDS:
                raise ValueError("too many header fields")
            self._all.fields.add(headers, name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is complete."""
        self._head_bytes = None
        self._wordless_bytes = 0
        parser = self._parser
        if len(self._waiting) >= MOST_WAITING:
            self._waiting[-1].keep_alive = False
            self._ends = True
        if self._ends:
            self._drop(1)
            return
        if parser.should_upgrade():
            return
        detail, version = "", parser.get_http_version()
        if self._refusal is None:
            if version not in VERSIONS:
                detail = f"its version is HTTP/{version}"
            else:
                detail = fault_of_head(self._headers, is_old=version == "1.0")
            if detail:
                self._refusal = GatewayFault.BAD_HTTP
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

    @property
    def on_body(self) -> Callable[[bytes], None]:
        """Takes bytes of a body. It is no method, because a method costs 16 ms for a megabyte in chunks of one byte."""
        return self._came.append

    def _hand_over(self) -> None:
        """Give the request what was received of its body."""
        self._wordless_bytes = 0
        came = self._came
        if self._receiving is not None:
            self._receiving.received(came[0] if len(came) == 1 else b"".join(came))
        came.clear()

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._came:
            self._hand_over()
        self._head_bytes = 0
        self._has_begun = False
        if self._receiving is not None and not self._parser.should_upgrade():
            self._receiving.is_received = True
            self._ends = not self._receiving.keep_alive
            self._receiving = None

    def _forget_incomplete(self) -> None:
        """Serve what was received until now, but not a request of which only a part has come, nor what follows."""
        if self._receiving is not None and self._receiving in self._waiting:
            self._waiting.remove(self._receiving)
            self._receiving = None
        self._ends = True

    def _decline_upgrade(self) -> bytes | None:
        """Serve a request that offers an upgrade, as Java's client does with h2c, as an ordinary one.

        The parser takes the bytes after such a head for the other protocol. So a new parser reads the head again,
        without the offer. Returns this head; None if the request is refused or ignored.
        """
        if self._ends:
            return None
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(GatewayFault.BAD_HTTP, "the gateway does not support CONNECT")
            return None
        kept = [field for field in self._headers if field[0] != b"upgrade"]
        lines = [b"%b %b HTTP/%b" % (method, self._url, version.encode()), *(b"%b: %b" % field for field in kept)]
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        return b"\r\n".join([*lines, b"", b""])


def _split(url: bytes) -> tuple[str, bytes, bytes | None]:
    """A request's path, percent-decoded and as received, and its query. Raises httptools' errors."""
    if url.startswith(b"/") and b"#" not in url and len(url) <= MAX_TARGET_BYTES and url.isascii():
        raw_path, mark, found = url.partition(b"?")
        query = found if mark else None
    else:
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path or b"/", parsed.query
    path = raw_path.decode("ascii")
    return (unquote(path) if "%" in path else path), raw_path, query


_split_common = lru_cache(maxsize=256)(_split)
