"""Whose a response is and which engine made it, for calls that name it later: retrieve, cancel, and the next turn."""

from collections import OrderedDict


class ResponseHomes:
    """The engines and sessions of the last `CAPACITY` responses."""

    CAPACITY = 10_000
    """About 3 MB; an engine itself forgets responses at its restart."""

    def __init__(self) -> None:
        self._homes: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    def learn(self, response_id: str, *, engine: str, session: str | None) -> None:
        """`engine` makes this response, for this session if it has a key."""
        self._homes[response_id] = engine, session
        if len(self._homes) > self.CAPACITY:
            self._homes.popitem(last=False)

    def engine_of(self, path: str) -> str | None:
        """The engine that made the response named in a path like `/v1/responses/{id}/cancel`; None when unknown."""
        if not path.startswith("/v1/responses/"):
            return None
        home = self._homes.get(path.split("/")[3])
        return None if home is None else home[0]

    def session_after(self, response_id: str) -> str:
        """The session key of a request without one that goes on from this response: that response's, or its id."""
        home = self._homes.get(response_id)
        return response_id if home is None or home[1] is None else home[1]
