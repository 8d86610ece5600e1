"""Stored responses that every worker finds: each worker remembers those of all."""

import asyncio
from collections.abc import Callable, Mapping

from concur_proxy.coordination.responses import ResponsesInMemory, StoredResponse

LAG_S = 0.05
"""An id that is not known is looked up again after this time: the client may be faster than the other worker's word."""

Share = Callable[[Mapping[str, StoredResponse]], None]


class ResponsesOfWorkers:
    """Remembers the last responses of all workers, as `ResponsesInMemory` does for one."""

    def __init__(self) -> None:
        self.share: Share = lambda _: None
        """Called with what this worker has learned, to send it to the others."""
        self._known = ResponsesInMemory()

    def learn(self, response_id: str, stored: StoredResponse) -> None:
        """Remember the response here and in the other workers."""
        if new := self.take({response_id: stored}):
            self.share(new)

    def take(self, responses: Mapping[str, StoredResponse]) -> dict[str, StoredResponse]:
        """Remember what another worker has learned. Returns what was not known yet."""
        new = {name: stored for name, stored in responses.items() if self._known.recall(name) != stored}
        for name, stored in new.items():
            self._known.learn(name, stored)
        return new

    def known(self) -> dict[str, StoredResponse]:
        """Everything that this worker remembers, the oldest first."""
        return self._known.known()

    async def find(self, response_id: str) -> StoredResponse | None:
        """Return what the workers know about the response."""
        if self._known.recall(response_id) is None:
            await asyncio.sleep(LAG_S)
        return self._known.recall(response_id)
