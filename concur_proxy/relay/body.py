"""Receives the bodies of requests, within limits."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any

from concur_proxy.relay.open_requests import OpenRequest

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's."""
NextPart = Callable[[], Awaitable[tuple[bytes, bool]]]
"""Waits for a part of a body. Returns it, and whether more will follow. Raises `ClientGone`."""


class ClientGone(Exception):  # noqa: N818 - a fact, not a fault
    """The client closed its connection before its request was complete."""


class BodyTooLarge(Exception):  # noqa: N818 - as above
    """The body exceeds the configured limit."""


def parts_over_asgi(receive: Receive) -> NextPart:
    """The parts of a body that an ASGI server receives."""

    async def next_part() -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        return message.get("body", b""), message.get("more_body", False)

    return next_part


async def read_body(
    next_part: NextPart, *, declared: bytes | str | None, limit: int, request: OpenRequest | None = None
) -> bytes:
    """Return the whole body. `declared` is the value of content-length, None if there is no such header.

    Its size counts for `request`, also after an error. Raises `BodyTooLarge` beyond `limit` bytes, at once if
    `declared` exceeds it; what `OpenRequest.take` raises if there is no room; and `ClientGone` if the client leaves
    before the end.
    """
    if declared is not None:
        digits = declared.decode("ascii") if isinstance(declared, bytes) else declared
        if int(digits.lstrip("0") or "0") > limit:  # Python refuses numbers of more than 4300 digits, also of zeros
            raise BodyTooLarge
    parts: BytesIO | None = None
    size = 0
    while True:
        part, more = await next_part()
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        if request is not None:
            request.take(len(part))
        if parts is None:
            if not more:
                return part
            parts = BytesIO()  # it gives its bytes away without a copy, which joining parts would make in one go
        parts.write(part)
        if not more:
            await asyncio.sleep(0)
            return parts.getvalue()
