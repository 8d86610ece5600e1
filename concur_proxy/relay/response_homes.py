"""Which engine made a response, for calls that name it later: retrieve and cancel."""

from collections import OrderedDict

MAX_RESPONSES = 10_000
"""About 2 MB. An engine itself forgets its responses when it restarts."""


class ResponseHomes:
    """The engines of the last `MAX_RESPONSES` responses."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, str] = OrderedDict()

    def learn(self, response_id: str, engine: str) -> None:
        """Remember that this engine makes the response."""
        self._engines[response_id] = engine
        if len(self._engines) > MAX_RESPONSES:
            self._engines.popitem(last=False)

    def engine_of(self, path: str) -> str | None:
        """Return the engine of the response that a path like `/v1/responses/{id}/cancel` names; None if unknown."""
        return self._engines.get(path.split("/")[3]) if path.startswith("/v1/responses/") else None
