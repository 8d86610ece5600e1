"""Answers that end before their request does."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class GatewayCycle(RequestResponseCycle):
    """One request and its answer. uvicorn closes a connection that is not kept as soon as the answer has ended, also
    while the client still sends the request's body. Here the protocol closes it, see `stalls`.
    """

    must_linger = False
    """Whether the answer has ended before its request, and the connection is not kept."""

    async def send(self, message: Any) -> None:  # noqa: ANN401 - uvicorn's own type is private
        """Send a part of the answer."""
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and self.more_body and not self.keep_alive:
            self.must_linger = self.keep_alive = True
        await super().send(message)
