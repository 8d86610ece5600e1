"""The client's side of one request: what the relay needs of a server, and the answer that it makes."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

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

ADMIN_CALLER = "concur.admin_caller"
"""Key in `extensions` of who has connected to the socket of the admin API; it is missing for the main port."""


class Client(Protocol):
    """One request of a client, and the way back for its answer. Nothing here blocks, and nothing is sent to a client
    that has left.
    """

    @property
    def method(self) -> str: ...

    @property
    def target(self) -> bytes:
        """Path and query as received."""
        ...

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        ...

    @property
    def headers(self) -> Headers: ...

    @property
    def is_gone(self) -> bool:
        """Whether the client has left before its answer was complete. What serves its request is cancelled then."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the client takes less than is written, so that nothing more is to be written until `drained`."""
        ...

    async def next_part(self) -> tuple[bytes, bool]:
        """Wait for a part of the body. Returns it, and whether more will follow. Raises `ClientGone`."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """Begin the answer. Its head is sent together with what follows at once, at `flush` at the latest."""
        ...

    def write(self, part: bytes) -> None:
        """Send a part of the answer's body, which is not empty."""
        ...

    def pass_chunk(self, chunk: bytes) -> bool:
        """Send a part of the body that is one HTTP chunk with its framing. Returns False, and does nothing, if this
        answer is not sent in chunks, its head is not sent yet, or the client takes less than is written.
        """
        ...

    def flush(self) -> None:
        """Send what has not been sent yet."""
        ...

    def end(self, last: bytes, trailers: Headers) -> None:
        """Send the last part of the body, which may be empty. Trailers reach the client if it can read them."""
        ...

    def cut_off(self) -> None:
        """Break the answer off, so that the client sees that it is incomplete."""
        ...

    async def drained(self) -> None:
        """Wait until the client has taken enough."""
        ...


_EVENT_STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class ClientAnswer:
    """Makes the answer to one request. `record.status` is None until it has begun."""

    __slots__ = ("_added", "_client", "_cors", "_origin", "_record")

    def __init__(self, client: Client, record: RequestRecord, *, origin: bytes | None, cors: CorsMemory) -> None:
        """`origin` is the web page's, None for a client that is no page."""
        self._cors = cors
        self._origin = origin
        self._client = client
        self._record = record
        self._added: dict[bytes, bytes] = {}

    def add_header(self, name: bytes, value: bytes) -> None:
        """Add this header to the answer, unless the answer comes with a header of this name. Call this before the
        answer begins.
        """
        self._added[name] = value

    def pass_on(self, status: int, headers: Headers) -> None:
        """Send an engine's status and headers."""
        if self._origin is not None:
            self._cors.learn(self._origin, headers)
        self._begin(status, headers)

    def _begin_own(self, status: int, headers: Headers) -> None:
        """Send status and headers of an answer that the gateway makes."""
        self._begin(status, headers if self._origin is None else [*headers, *self._cors.headers(self._origin)])

    def _begin(self, status: int, headers: Headers) -> None:
        self._record.status = status
        if self._added:
            added = self._added
            for name, _ in headers:
                added.pop(name, None)
            headers = [*headers, *added.items()]
        self._client.begin(status, headers)

    def end(self, body: bytes = b"", trailers: Headers | None = None) -> None:
        """Send the rest of the body and complete the answer. Trailers reach the client if the server can send them."""
        self._client.end(body, response_headers(trailers, keep_length=False) if trailers else [])

    def cut_off(self) -> None:
        """Break the answer off, so that the client sees that it is incomplete."""
        self._client.cut_off()

    def keep_alive(self, *, position: int, expected_wait_s: float, with_chunks: bool) -> None:
        """Send a waiting streaming client its place, in a comment that event-stream readers skip, and an event
        if the API has one for this. `with_chunks`: in chat that is an empty chunk.
        """
        if self._client.is_full:
            return
        if self._record.status is None:
            self._begin_own(200, _EVENT_STREAM_HEADERS)
        model = (self._record.model or "") if with_chunks else None
        body = keep_alive(self._client.path, position=position, expected_wait_s=expected_wait_s, chunk_model=model)
        self._client.write(body)

    def refuse(
        self,
        fault: GatewayFault,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        """Answer with one of the gateway's own errors. If the answer has begun, the error is sent as an event."""
        self._record.failures.append(fault.code)
        shape = shape_of_path(self._client.path)
        if self._record.status is not None:
            self.end(error_event(fault, shape, detail=detail))
            return
        error = error_answer(fault, shape, detail=detail, retry_after_s=retry_after_s, allow=allow)
        self._begin_own(error.status, error.headers)
        self.end(error.body)

    def give_json(self, body: bytes) -> None:
        """Answer with JSON that the gateway made."""
        self._begin_own(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))])
        self.end(body)

    def end_with_error(self, status: int, body: bytes) -> None:
        """Complete an event stream that began with a keep-alive comment: send the engine's own error as an event."""
        self.end(late_error(shape_of_path(self._client.path), status=status, body=body))
