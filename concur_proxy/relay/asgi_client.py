"""A client behind an ASGI server, for `concur_proxy.asgi`.

The relay writes an answer in one go, and ASGI takes it piece by piece. So what is written waits here, and the task that
the server has made for the request sends it.
"""

import asyncio
from collections import deque
from typing import Any

from concur_proxy.eager import Run, Signal
from concur_proxy.relay.body import parts_over_asgi
from concur_proxy.relay.client import Message, Receive, Scope, Send
from concur_proxy.relay.relay import Relay
from concur_proxy.wire.headers import Headers

MAX_UNSENT_BYTES = 64 * 1024
"""The relay stops writing while more than this waits to be sent."""


class AsgiClient:
    """One request. It is `relay.client.Client`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = list(scope["headers"])
        query: bytes = scope["query_string"]
        self.target: bytes = b"%b?%b" % (scope["raw_path"], query) if query else scope["raw_path"]
        self.is_gone = False
        self._receive = receive
        self._send = send
        self._receive_part = parts_over_asgi(receive)
        self._unsent: deque[Message] = deque()
        self._unsent_bytes = 0
        self._is_sent = Signal()
        self._has_news = asyncio.Event()
        """Whether there is something to send, or the relay is done."""
        self._run: Run | None = None
        self._watcher: asyncio.Future[Any] | None = None

    async def serve(self, relay: Relay) -> None:
        """Let the relay serve the request. Returns when it is done; an answer that is not complete then is broken off
        by the server.
        """
        run = self._run = Run(relay.serve(self), lambda _: self._has_news.set())
        run.start()
        try:
            while not run.has_ended or self._unsent:
                try:
                    await self._send_on()
                except asyncio.CancelledError:  # the server stops
                    run.cancel()
        finally:
            if self._watcher is not None:
                self._watcher.cancel()

    async def _send_on(self) -> None:
        await self._has_news.wait()
        self._has_news.clear()
        while self._unsent:
            message = self._unsent.popleft()
            self._unsent_bytes -= len(message.get("body", b""))
            try:
                await self._send(message)
            except OSError:  # as servers may report a client that has left
                self._leave()
            except asyncio.CancelledError:  # a part is missing now: the answer must not look complete
                self._leave()
                raise
            self._is_sent.fire()

    def _leave(self) -> None:
        self.is_gone = True
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._run is not None:
            self._run.cancel()

    async def next_part(self) -> tuple[bytes, bool]:
        """Wait for a part of the body. Returns it, and whether more will follow. Raises `ClientGone`."""
        # in a task of its own, because a server may need one
        part, more = await asyncio.ensure_future(self._receive_part())
        if not more:
            self._watcher = asyncio.ensure_future(self._receive())
            self._watcher.add_done_callback(self._on_message)
        return part, more

    def _on_message(self, watcher: "asyncio.Future[Message]") -> None:
        """After the body, the only message is that the client has left, or that the answer is complete."""
        if not watcher.cancelled():
            watcher.exception()  # a server that cannot receive any more
            self._leave()

    @property
    def is_full(self) -> bool:
        """Whether much waits to be sent."""
        return self._unsent_bytes > MAX_UNSENT_BYTES

    def begin(self, status: int, headers: Headers) -> None:
        """Begin the answer."""
        self._add({"type": "http.response.start", "status": status, "headers": headers})

    def write(self, part: bytes) -> None:
        """Send a part of the answer's body."""
        self._add({"type": "http.response.body", "body": part, "more_body": True})

    def pass_chunk(self, chunk: bytes) -> bool:  # noqa: ARG002 - the server makes chunks
        """Nothing is sent in chunks."""
        return False

    def flush(self) -> None:
        """Nothing is kept back."""

    def end(self, last: bytes, trailers: Headers) -> None:  # noqa: ARG002 - ASGI has no trailers that servers support
        """Send the last part of the answer's body."""
        self._add({"type": "http.response.body", "body": last, "more_body": False})

    def cut_off(self) -> None:
        """The server breaks the answer off, because it is incomplete."""

    async def drained(self) -> None:
        """Wait until enough is sent."""
        while self.is_full and not self.is_gone:
            await self._is_sent

    def _add(self, message: Message) -> None:
        if not self.is_gone:
            self._unsent.append(message)
            self._unsent_bytes += len(message.get("body", b""))
            self._has_news.set()
