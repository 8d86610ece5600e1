"""The name by which one request is found again in the logs of client, gateway and engine."""

import re
from collections.abc import Iterable

REQUEST_ID = b"x-request-id"

_USABLE = re.compile(rb"[!-~]{1,128}")


def find_request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The first `x-request-id` (lower-case names), where it is 1 to 128 visible ASCII characters; else None."""
    value = next((value for name, value in headers if name == REQUEST_ID), None)
    return value if value is not None and _USABLE.fullmatch(value) else None
