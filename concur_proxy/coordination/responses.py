"""Where the engines keep stored responses (responses API), and to which sessions they belong."""

from collections import OrderedDict
from typing import Protocol

import msgspec

MAX_RESPONSES = 10_000
"""Responses that one gateway remembers in memory, about 3 MB. An engine forgets its responses when it restarts."""


class StoredResponse(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A response that an engine keeps."""

    engine: str
    """Only this engine can retrieve, cancel, delete or continue the response."""
    session: str | None = None
    """The name of the session that it belongs to; None if its request named no session."""
    tenant: str | None = None
    """The tenant that it belongs to; None: not known."""


class StoredResponses(Protocol):
    """Remembers stored responses by their ids."""

    def learn(self, response_id: str, stored: StoredResponse) -> None:
        """An engine makes this response. Does not block."""
        ...

    async def find(self, response_id: str) -> StoredResponse | None:
        """Return what is known about the response; None if nothing is known. Never raises."""
        ...


class ResponsesInMemory:
    """Remembers the last `MAX_RESPONSES` responses of this gateway."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, StoredResponse] = OrderedDict()

    def learn(self, response_id: str, stored: StoredResponse) -> None:
        """Remember the response."""
        self._known[response_id] = stored
        if len(self._known) > MAX_RESPONSES:
            self._known.popitem(last=False)

    def recall(self, response_id: str) -> StoredResponse | None:
        """Return what this gateway knows about the response, without waiting."""
        return self._known.get(response_id)

    def known(self) -> dict[str, StoredResponse]:
        """Everything that this gateway remembers, the oldest first."""
        return dict(self._known)

    async def find(self, response_id: str) -> StoredResponse | None:
        """Return what this gateway knows about the response."""
        return self._known.get(response_id)
