"""One request of a connection, and the answer to it as HTTP/1.1 or HTTP/1.0 has it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from concur_proxy.eager import Signal
from concur_proxy.relay.body import ClientGone
from concur_proxy.wire.headers import Headers

BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})
"""Answers with one of these statuses have no body, whatever their headers say (RFC 9112, 6.3)."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {number: f"HTTP/1.1 {number} {_PHRASES.get(number, '')}".encode() for number in range(100, 600)}


class Way(Protocol):
    """What a request needs of its connection."""

    is_full: bool
    """Whether the client takes less than is written."""
    can_write: Signal
    """Fired when the client has taken enough."""

    def send(self, data: bytes) -> None:
        """Write, unless the connection is closing."""
        ...

    def read_on(self) -> None:
        """Read what the client sends, if reading was paused."""
        ...

    def answered(self, request: "ClientRequest") -> None:
        """An answer is complete."""
        ...

    def close(self) -> None:
        """Close the connection once everything is sent."""
        ...

    def reset(self) -> None:
        """Close the connection so that the client sees that the answer is incomplete."""
        ...


class ClientRequest:
    """One request, as the relay sees it. It is `relay.client.Client`."""

    __slots__ = (
        "_ends_by_close",
        "_has_body",
        "_has_continued",
        "_head",
        "_is_chunked",
        "_is_closed",
        "_parts",
        "_way",
        "body_bytes",
        "cancel",
        "has_begun",
        "has_come",
        "headers",
        "is_answered",
        "is_gone",
        "is_old",
        "is_received",
        "keep_alive",
        "method",
        "path",
        "query",
        "raw_path",
    )

    def __init__(
        self, way: Way, *, method: str, path: str, raw_path: bytes, query: bytes | None, headers: Headers, is_old: bool
    ) -> None:
        """`query` is None if the target has no question mark. `is_old`: the client speaks HTTP/1.0. It knows neither
        chunks nor interim answers (RFC 9112, 6.1; RFC 9110, 15.2), so that an answer without a length ends with the
        connection.
        """
        self._way = way
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query = query
        self.headers = headers
        self.is_old = is_old
        self.keep_alive = False
        """Whether the connection stays open after the answer."""
        self._has_continued = False
        """Whether the body has been asked for, if that was necessary."""
        self.is_received = False
        """Whether the whole request has come."""
        self._parts: list[bytes] = []
        self.body_bytes = 0
        """Bytes of the body that have come and have not been taken."""
        self.has_come = Signal()
        """Fired when a part of the body has come, and when the client has left."""
        self.cancel: Callable[[], object] | None = None
        """Stops what serves the request."""
        self.is_gone = False
        """Whether the client has left before its answer was complete."""
        self._is_closed = False
        """Whether nothing more can be sent."""
        self.has_begun = False
        """Whether the answer has begun."""
        self.is_answered = False
        """Whether the answer is complete."""
        self._head: bytes | None = None
        """The answer's head while it is not sent."""
        self._is_chunked = False
        self._ends_by_close = False
        """Whether only the end of the connection tells the client that the answer is complete."""
        self._has_body = True
        """Whether the answer can have a body."""

    @property
    def target(self) -> bytes:
        """Path and query as received."""
        return self.raw_path if self.query is None else b"%b?%b" % (self.raw_path, self.query)

    @property
    def is_full(self) -> bool:
        """Whether the client takes less than is written."""
        return self._way.is_full

    # -- the body

    def received(self, part: bytes) -> None:
        """A part of the body has come."""
        if not self.is_answered:
            self._parts.append(part)
            self.body_bytes += len(part)

    async def next_part(self) -> tuple[bytes, bool]:
        """Wait for a part of the body. Returns it, and whether more will follow. Raises `ClientGone`."""
        if not self.is_received:
            self._ask_for_body()
            self._way.read_on()
        while not self._parts and not self.is_received:
            if self.is_gone:
                raise ClientGone
            await self.has_come
        parts = self._parts
        part = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self.body_bytes = 0
        return part, not self.is_received

    def _ask_for_body(self) -> None:
        """Send the interim answer for which the client may wait before it sends the body."""
        if self._has_continued or self.has_begun or self.is_old:
            return
        self._has_continued = True
        if self._expects_continue():
            self._way.send(CONTINUE)

    def _expects_continue(self) -> bool:
        return any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)

    # -- the answer

    def begin(self, status: int, headers: Headers) -> None:
        """Begin the answer. Its head is sent with what follows. Raises `ValueError` if a header has a line break."""
        lines, has_length = [_STATUS_LINES[status]], False
        for name, value in headers:
            lines.append(b"%b: %b" % (name, value))
            has_length = has_length or name == b"content-length"
        self.has_begun = True
        self._has_body = status not in BODILESS and self.method != "HEAD"
        if not self.is_received and not (self._has_continued or self._parts) and self._expects_continue():
            self.keep_alive = False  # its body and a next request would look alike
        if not self.keep_alive:
            lines.append(b"connection: close")
        if self._has_body and not has_length:
            self._ends_by_close, self._is_chunked = self.is_old, not self.is_old
        if self._is_chunked:
            lines.append(b"transfer-encoding: chunked")
        lines.append(b"\r\n")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise ValueError("a line break in a header of an answer")
        self._head = head

    def write(self, part: bytes) -> None:
        """Send a part of the answer's body, which is not empty."""
        if not self._has_body:
            return
        if self._is_chunked:
            part = b"%x\r\n%b\r\n" % (len(part), part)
        if self._head is not None:
            part = self._head + part
            self._head = None
        if not self._is_closed:
            self._way.send(part)

    def pass_chunk(self, chunk: bytes) -> bool:
        """Send a part of the answer's body that is one chunk with its framing. Returns False, and does nothing, if that
        is not possible now.
        """
        way = self._way
        if not self._is_chunked or self._head is not None or self._is_closed or way.is_full:
            return False
        way.send(chunk)
        return True

    def flush(self) -> None:
        """Send the answer's head if nothing has followed it."""
        if self._head is not None and not self._is_closed:
            self._way.send(self._head)
            self._head = None

    def end(self, last: bytes = b"", trailers: Headers | None = None) -> None:
        """Send the last part of the answer's body. Only clients that get chunks get trailers."""
        if self._is_closed:
            return
        head = b"" if self._head is None else self._head
        self._head = None
        if self._is_chunked:
            if last:
                last = b"%x\r\n%b\r\n" % (len(last), last)
            fields = b"".join(b"%b: %b\r\n" % field for field in trailers) if trailers else b""
            last = b"%b%b0\r\n%b\r\n" % (head, last, fields)
        else:
            last = head + last if self._has_body else head
        if last:
            self._way.send(last)
        self.is_answered = self._is_closed = True
        self._parts = []
        self.body_bytes = 0  # the rest of the body is dropped, and reading goes on
        self._way.answered(self)

    def cut_off(self) -> None:
        """Break the answer off: what was sent is incomplete, and then the connection ends."""
        if not self._is_closed:
            self.flush()
            self._is_closed = True
            if self._ends_by_close:
                self._way.reset()
            else:
                self._way.close()

    async def drained(self) -> None:
        """Wait until the client has taken enough."""
        while self._way.is_full and not self._is_closed:
            await self._way.can_write

    def leave(self) -> None:
        """The client has left, or nothing more is to be sent to it."""
        if self._is_closed:
            return
        self.is_gone = self._is_closed = True
        if self.cancel is not None:
            self.cancel()
        self.has_come.fire()
