"""The shapes of ASGI, and reading a request's body."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

END_WITH_TRAILERS = "concur.end_with_trailers"
"""Key in the scope's `extensions` of a function that completes an answer: `await end(body, trailers)`."""

CUT_OFF = "concur.cut_off"
"""Key there of a function that breaks an answer off, so that the client sees that it is incomplete: `cut_off()`."""


class ClientGone(Exception):  # noqa: N818 - a fact, not a fault
    """The client closed its connection before its request was complete."""


class BodyTooLarge(Exception):  # noqa: N818 - as above
    """The body exceeds the configured limit."""


async def read_body(receive: Receive, *, declared: bytes | str | None, limit: int) -> bytes:
    """Return the whole body. `declared` is the value of content-length, None if there is no such header.

    Raises `BodyTooLarge` beyond `limit` bytes, at once if `declared` exceeds it. Raises `ClientGone` if the client
    leaves before the end.
    """
    if declared is not None and int(declared) > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
