"""The client's answer: an engine's, handed on as it comes, or an error of the gateway's own."""

from collections.abc import Awaitable, Callable

from concur_proxy.relay.asgi import CUT_OFF, END_WITH_TRAILERS, Scope, Send
from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.wire.answer.errors import error_answer, error_event
from concur_proxy.wire.answer.events import keep_alive_comment, late_error
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape, shape_of_path
from concur_proxy.wire.headers import Headers, response_headers

_EVENT_STREAM = b"text/event-stream"
_EVENT_STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_NOT_MODIFIED = 304
"""Its content-length is that of the body which it does not have; uvicorn would wait for that body."""


class Answer:
    """What has been sent to the client of one request, and how to go on from there."""

    __slots__ = ("_added", "_cut_off", "_end_with_trailers", "_send", "_shape", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._added: dict[bytes, bytes] = {}
        self._shape: ApiShape = shape_of_path(scope["path"])
        extensions = scope.get("extensions", {})
        self._end_with_trailers: Callable[[bytes, Headers], Awaitable[None]] | None = extensions.get(END_WITH_TRAILERS)
        self._cut_off: Callable[[], None] | None = extensions.get(CUT_OFF)
        self.status: int | None = None
        """The status sent; None while nothing has been."""

    def tell(self, name: bytes, value: bytes) -> None:
        """Give the answer this header, unless it has begun or whoever makes it has one of that name."""
        self._added[name] = value

    def can_take(self, response: UpstreamResponse) -> bool:
        """Whether the engine's answer can be handed on as it is: once a comment has begun an event stream, only events
        can.
        """
        return self.status is None or any(
            name.lower() == b"content-type" and value.lower().startswith(_EVENT_STREAM)
            for name, value in response.headers
        )

    async def begin(self, response: UpstreamResponse, *, keep_length: bool = True) -> None:
        """Hand the engine's status and headers on, unless a keep-alive comment has already begun the answer.

        Without `keep_length` the answer's length is not told, as it may change on its way.
        """
        if self.status is None:
            keep_length = keep_length and response.status != _NOT_MODIFIED
            await self._start(response.status, response_headers(response.headers, keep_length=keep_length))

    async def go_on(self, body: bytes) -> None:
        """Send a part of the body, at once."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"", trailers: Headers | None = None) -> None:
        """Send the rest of the body and complete the answer; trailers reach the client where the server can send
        them.
        """
        if trailers and self._end_with_trailers is not None:
            await self._end_with_trailers(body, response_headers(trailers, keep_length=False))
        else:
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def cut_off(self) -> None:
        """Break the answer off. A server without that extension does so by itself, as the answer stays unfinished."""
        if self._cut_off is not None:
            self._cut_off()

    async def keep_alive(self, *, position: int, expected_wait_s: float) -> None:
        """Tell a held streaming client its place, in a comment that event-stream readers skip."""
        if self.status is None:
            await self._start(200, _EVENT_STREAM_HEADERS)
        await self.go_on(keep_alive_comment(position=position, expected_wait_s=expected_wait_s))

    async def refuse(
        self,
        fault: GatewayFault,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        """Answer with an error of the gateway's own; as an event where the answer has already begun."""
        if self.status is not None:
            await self.end(error_event(fault, self._shape, detail=detail))
            return
        error = error_answer(fault, self._shape, detail=detail, retry_after_s=retry_after_s, allow=allow)
        await self._start(error.status, error.headers)
        await self.end(error.body)

    async def give(self, body: bytes) -> None:
        """Answer with JSON of the gateway's own making."""
        length = str(len(body)).encode()
        await self._start(200, [(b"content-type", b"application/json"), (b"content-length", length)])
        await self.end(body)

    async def end_with_error(self, status: int, body: bytes) -> None:
        """Complete an event stream that a comment began with the engine's own error, as an event."""
        await self.end(late_error(self._shape, status=status, body=body))

    async def _start(self, status: int, headers: Headers) -> None:
        self.status = status
        if self._added:
            added = self._added
            for name, _ in headers:
                added.pop(name, None)
            headers = [*headers, *added.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
