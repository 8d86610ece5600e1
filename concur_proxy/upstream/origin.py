"""An engine's address, the connections to it, and the heads of requests to it."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from concur_proxy.engines.address import is_server_url
from concur_proxy.wire.headers import Headers

if TYPE_CHECKING:
    from concur_proxy.upstream.connection import Connection

KEEP_IDLE_S = 4.0
"""Less than the 5 s after which uvicorn, and so vLLM and SGLang, closes an idle connection."""

_FRAMING = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding", b"expect"})
"""Request headers about the client's own connection. The client here writes those that the engine needs."""


class Origin:
    """An engine's address and the connections to it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not is_server_url(url) or not parts.hostname:
            raise ValueError(f"engine URL {url!r} is not of the form http[s]://host[:port][/prefix]")
        self.url = url
        self.is_https = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_https else 80)
        self.prefix = parts.path.rstrip("/").encode("ascii")
        self.host_line = b"host: " + parts.netloc.encode("ascii")
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, float] = {}
        """Idle connections, and since when each is idle by the loop's clock. The latest is the last."""

    def head(self, method: str, target: bytes, headers: Headers, body_bytes: int | None) -> bytes:
        """Return the head of a request to this engine. `body_bytes` is the size of its body, None if it has none.
        Raises `ValueError` if target or headers are invalid.
        """
        lines = [b"%b %b%b HTTP/1.1" % (method.encode("ascii"), self.prefix, target), self.host_line]
        lines += [b"%b: %b" % header for header in headers if header[0].lower() not in _FRAMING]
        if body_bytes is not None:
            lines.append(b"content-length: %d" % body_bytes)
        head = b"\r\n".join(lines)
        if head.count(b"\r") != len(lines) - 1 or head.count(b"\n") != len(lines) - 1 or b" " in target:
            raise ValueError("a space in the request target, or a line break in it or in a header")
        return b"%b\r\n\r\n" % head

    def take_idle(self) -> "Connection | None":
        """Take the connection that was used last, if it may be used again."""
        while self.idle:
            connection, since = self.idle.popitem()
            if connection.loop.time() - since < KEEP_IDLE_S and not connection.transport.is_closing():
                return connection
            connection.transport.close()
        return None

    def keep_idle(self, connection: "Connection") -> None:
        """Keep the connection for the next request."""
        now = self.idle[connection] = connection.loop.time()
        oldest, since = next(iter(self.idle.items()))
        if now - since >= KEEP_IDLE_S:  # close one for each that is added, so that few remain after a pause in traffic
            del self.idle[oldest]
            oldest.transport.close()
