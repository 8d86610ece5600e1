"""Finds a response's id as it begins to pass: it may be retrieved or cancelled before it has ended."""

import re
from collections.abc import Callable

from concur_proxy.relay.tap import Tap
from concur_proxy.wire.answer.usage import Usage

SEARCHED_BYTES = 4096
"""Both engines write the id first, and a stream's first event repeats the response without its output."""

_ID = re.compile(rb'"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,128})"')


class ResponseIdTap:
    """Another tap, whose answer's id it tells once."""

    def __init__(self, inner: Tap, learn: Callable[[str], None]) -> None:
        self._inner = inner
        self._learn = learn
        self._beginning: bytes | None = b""

    @property
    def usage(self) -> Usage | None:
        """The inner tap's."""
        return self._inner.usage

    def has_token(self, chunk: bytes) -> bool:
        """As the inner tap says."""
        return self._inner.has_token(chunk)

    def feed(self, chunk: bytes) -> bytes:
        """What the inner tap hands on."""
        if self._beginning is not None:
            self._search(chunk)
        return self._inner.feed(chunk)

    def finish(self) -> bytes:
        """What the inner tap hands on at the end."""
        return self._inner.finish()

    def _search(self, chunk: bytes) -> None:
        beginning = (self._beginning or b"") + chunk
        found = _ID.search(beginning, 0, SEARCHED_BYTES)
        if found is not None:
            self._learn(found[1].decode())
        self._beginning = None if found is not None or len(beginning) >= SEARCHED_BYTES else beginning
