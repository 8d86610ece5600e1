"""An engine's answer as it comes over a connection: HTTP/1.1, on llhttp (httptools)."""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools

from concur_proxy.eager import Signal
from concur_proxy.upstream.chunk import is_one_chunk
from concur_proxy.upstream.failures import EngineBroke, EngineTimedOut
from concur_proxy.wire.headers import Headers

MAX_STATUS = 599
"""The highest valid status (RFC 9110, 15); a server cannot send a higher one to the client."""
MAX_BUFFERED_BYTES = 256 * 1024
"""Reading from the engine pauses while more of an answer than this has not been taken."""
MAX_HEAD_BYTES = 256 * 1024
"""An answer with a longer head, with all interim answers (1xx) before it, is no answer."""
MAX_TRAILER_BYTES = 64 * 1024

PassChunk = Callable[[bytes], bool]
"""Sends an HTTP chunk, with its framing, to the client. Returns whether it did: if not, the chunk is to be parsed."""

_NO_CONTENT = 204
"""An answer with this status has no body. If an engine announces one, it may follow, and nothing after it can be read.
"""


class AnswerReader(asyncio.Protocol):
    """Reads one answer after another from an engine's connection."""

    transport: asyncio.Transport
    """Set when the connection is made."""
    closed_before: bool
    """Whether the engine had closed the connection before it had the whole request, so that it cannot have begun to
    work on it.
    """

    def __init__(self, url: str) -> None:
        """`url` is the engine's, for errors."""
        self.url = url
        self.loop = asyncio.get_running_loop()
        self.parser: Any = httptools.HttpResponseParser(self)
        self.broke: EngineBroke | None = None
        self.has_come = Signal()
        """Fired when something has come, when the engine takes more, and when nothing can come any longer."""
        self.paused = False
        self.pass_chunk: PassChunk | None = None
        """Gets each chunk that comes alone, while the answer's next part is waited for and a chunk can begin."""
        self.idle_timer: asyncio.TimerHandle | None = None
        """Ends the wait for a part of the body."""
        self.heard_at = 0.0
        """When the wait for a part of the body began, or when the last chunk came that was passed on, if there is a
        limit for that wait.
        """
        self.expect_answer(is_head=False)

    def expect_answer(self, *, is_head: bool) -> None:
        """Prepare for the next answer. The answer to a HEAD request has no body."""
        self.is_head = is_head
        self.status = 0
        self.headers: Headers = []
        self.trailers: Headers = []
        self.parts: list[bytes] = []
        self.untaken = self.head_bytes = self.trailer_bytes = 0
        self.began = self.answered = self.complete = self.keep_alive = self.closed_before = False
        self.is_between = False
        """Whether the next byte of the answer begins a chunk."""

    def take(self) -> bytes:
        """Return what has come of the body since the last call; empty if nothing has come, see `complete`."""
        parts = self.parts
        if not parts:
            return b""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.parts = []
        self.untaken = 0
        if self.paused:
            self._read_on()
        return data

    async def next_part(self, *, timeout_s: float = 0.0, pass_chunk: PassChunk | None = None) -> None:
        """Wait for a part of the body, or for its end. Chunks for which `pass_chunk` returns true have been dealt with,
        and are not waited for. Raises EngineTimedOut if nothing comes for `timeout_s`; 0 for no limit.
        """
        if timeout_s:
            self.heard_at = self.loop.time()
            self.idle_timer = self.loop.call_later(timeout_s, self._end_silence, timeout_s)
        try:
            while not self.parts and not self.complete:
                if self.paused:  # by bytes that are no part of the body, such as a chunk's extension
                    self._read_on()
                self.pass_chunk = pass_chunk if self.is_between else None
                await self.arrival()
        finally:
            self.pass_chunk = None
            if self.idle_timer is not None:
                self.idle_timer.cancel()
                self.idle_timer = None

    def _end_silence(self, timeout_s: float) -> None:
        left_s = self.heard_at + timeout_s - self.loop.time()
        if left_s > 0:  # chunks have been passed on since the wait began
            self.idle_timer = self.loop.call_later(left_s, self._end_silence, timeout_s)
        else:
            self.time_out(f"silent for {timeout_s:g} s")

    def _read_on(self) -> None:
        self.untaken = 0
        self.paused = False
        self.transport.resume_reading()

    async def arrival(self) -> None:
        """Wait until something comes. Raises EngineBroke if nothing can come any longer."""
        if self.broke is not None:
            raise self.broke
        await self.has_come

    def fail(self, reason: str) -> None:
        """Note why nothing more can come."""
        if self.broke is None:
            self.broke = EngineBroke(f"{self.url}: {reason}", answered=self.answered)

    def time_out(self, reason: str) -> None:
        """Give up an engine that was silent for too long."""
        if self.broke is None:
            self.broke = EngineTimedOut(f"{self.url}: {reason}", answered=self.answered)
        self.transport.abort()
        self.has_come.fire()

    def data_received(self, data: bytes) -> None:
        pass_chunk = self.pass_chunk
        if pass_chunk is None or not is_one_chunk(data) or not pass_chunk(data):
            self._parse(data)
        elif self.idle_timer is not None:
            self.heard_at = self.loop.time()

    def _parse(self, data: bytes) -> None:
        if self.complete:
            self.transport.abort()
            return
        self.began = True
        self.untaken += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(f"the answer is not HTTP/1.1: {error}")
            self.transport.abort()
        if self.is_between and not data.endswith(b"\r\n"):  # a chunk's size has begun
            self.is_between = False
        if not self.answered:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                self.fail(f"the answer is not HTTP/1.1: its head exceeds {MAX_HEAD_BYTES} bytes")
                self.transport.abort()
        if self.untaken > MAX_BUFFERED_BYTES and not self.paused and not self.complete:
            self.paused = True
            self.transport.pause_reading()
        self.has_come.fire()

    def on_message_begin(self) -> None:
        if self.complete:
            raise EngineBroke("an answer without a request", answered=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.answered:
            self.headers.append((name, value))
            return
        self.trailer_bytes += len(name) + len(value)
        if self.trailer_bytes > MAX_TRAILER_BYTES:
            raise EngineBroke(f"its trailers exceed {MAX_TRAILER_BYTES} bytes", answered=True)
        self.trailers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status > MAX_STATUS:
            self.fail(f"the answer is not HTTP/1.1: status {status}")
            self.transport.abort()
        elif status >= 200:
            self.status = status
            self.answered = True
            is_whole = not self.is_head and not (status == _NO_CONTENT and self._announces_body())
            self.keep_alive = self.parser.should_keep_alive() and is_whole
            self.complete = self.is_head

    def _announces_body(self) -> bool:
        """Whether the headers announce a body."""
        return any(
            name.lower() == b"transfer-encoding" or (name.lower() == b"content-length" and value.strip(b" 0"))
            for name, value in self.headers
        )

    def on_chunk_header(self) -> None:
        self.is_between = False

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_chunk_complete(self) -> None:
        self.is_between = True

    def on_message_complete(self) -> None:
        self.complete = self.answered
        if not self.answered:
            self.headers.clear()  # these headers belong to a 1xx answer; the final answer follows
