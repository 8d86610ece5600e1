"""The client's side of one request, over ASGI: its body, and the answer to it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from concur_proxy.relay.cors import CorsMemory
from concur_proxy.telemetry.events import RequestRecord
from concur_proxy.wire.answer.errors import error_answer, error_event
from concur_proxy.wire.answer.events import keep_alive, late_error
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import shape_of_path
from concur_proxy.wire.headers import Headers, response_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

END_WITH_TRAILERS = "concur.end_with_trailers"
"""Key in the scope's `extensions` of a function that completes an answer: `await end(body, trailers)`."""

ADMIN_CALLER = "concur.admin_caller"
"""Key in `extensions` of who has connected to the socket of the admin API; it is missing for the main port."""

CUT_OFF = "concur.cut_off"
"""Key in `extensions` of a function that breaks an answer off, so that the client sees that it is incomplete:
`cut_off()`.
"""

NOTICE_GONE = "concur.notice_gone"
"""Key in `extensions` of a function that sets what is called when the client leaves before its answer is complete:
`notice_gone(leave)`, or `notice_gone(None)` for nothing. It costs a waiting request less memory than a task of its own.
"""

_EVENT_STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class ClientAnswer:
    """Sends the answer of one request to its client. `record.status` is None until it has begun."""

    __slots__ = (
        "_added",
        "_cors",
        "_cut_off",
        "_end_with_trailers",
        "_origin",
        "_path",
        "_record",
        "notice_gone",
        "send",
    )

    def __init__(
        self, scope: Scope, send: Send, record: RequestRecord, *, origin: bytes | None, cors: CorsMemory
    ) -> None:
        """`origin` is the web page's, None for a client that is no page."""
        self._cors = cors
        self._origin = origin
        self.send = send
        """Sends an ASGI message. Parts of a body are sent with it directly."""
        self._record = record
        self._path: str = scope["path"]
        self._added: dict[bytes, bytes] = {}
        extensions = scope.get("extensions", {})
        self._end_with_trailers: Callable[[bytes, Headers], Awaitable[None]] | None = extensions.get(END_WITH_TRAILERS)
        self._cut_off: Callable[[], None] | None = extensions.get(CUT_OFF)
        self.notice_gone: Callable[[Callable[[], None] | None], None] | None = extensions.get(NOTICE_GONE)
        """See `NOTICE_GONE`; None if the server cannot do it."""

    def add_header(self, name: bytes, value: bytes) -> None:
        """Add this header to the answer, unless the answer comes with a header of this name. Call this before the
        answer begins.
        """
        self._added[name] = value

    async def pass_on(self, status: int, headers: Headers) -> None:
        """Send an engine's status and headers."""
        if self._origin is not None:
            self._cors.learn(self._origin, headers)
        await self._begin(status, headers)

    async def _begin_own(self, status: int, headers: Headers) -> None:
        """Send status and headers of an answer that the gateway makes."""
        await self._begin(status, headers if self._origin is None else [*headers, *self._cors.headers(self._origin)])

    async def _begin(self, status: int, headers: Headers) -> None:
        self._record.status = status
        if self._added:
            added = self._added
            for name, _ in headers:
                added.pop(name, None)
            headers = [*headers, *added.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def end(self, body: bytes = b"", trailers: Headers | None = None) -> None:
        """Send the rest of the body and complete the answer. Trailers reach the client if the server can send them."""
        if trailers and self._end_with_trailers is not None:
            await self._end_with_trailers(body, response_headers(trailers, keep_length=False))
        else:
            await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def cut_off(self) -> None:
        """Break the answer off. Servers without the `CUT_OFF` extension do so themselves, because the answer is
        incomplete.
        """
        if self._cut_off is not None:
            self._cut_off()

    async def keep_alive(self, *, position: int, expected_wait_s: float, with_chunks: bool) -> None:
        """Send a waiting streaming client its place, in a comment that event-stream readers skip, and an event
        if the API has one for this. `with_chunks`: in chat that is an empty chunk.
        """
        if self._record.status is None:
            await self._begin_own(200, _EVENT_STREAM_HEADERS)
        model = (self._record.model or "") if with_chunks else None
        body = keep_alive(self._path, position=position, expected_wait_s=expected_wait_s, chunk_model=model)
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def refuse(
        self,
        fault: GatewayFault,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        """Answer with one of the gateway's own errors. If the answer has begun, the error is sent as an event."""
        self._record.failures.append(fault.code)
        shape = shape_of_path(self._path)
        if self._record.status is not None:
            await self.end(error_event(fault, shape, detail=detail))
            return
        error = error_answer(fault, shape, detail=detail, retry_after_s=retry_after_s, allow=allow)
        await self._begin_own(error.status, error.headers)
        await self.end(error.body)

    async def give_json(self, body: bytes) -> None:
        """Answer with JSON that the gateway made."""
        await self._begin_own(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))])
        await self.end(body)

    async def end_with_error(self, status: int, body: bytes) -> None:
        """Complete an event stream that began with a keep-alive comment: send the engine's own error as an event."""
        await self.end(late_error(shape_of_path(self._path), status=status, body=body))
