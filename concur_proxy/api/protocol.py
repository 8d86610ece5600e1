"""uvicorn's HTTP/1.1 server with what it lacks: trailers, and noticing that a client which pipelines has gone."""

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from concur_proxy.api.messages import Fields

END_WITH_TRAILERS = "concur.end_with_trailers"
"""Key in the scope's `extensions` of a function that completes an answer: `await end(body, trailers)`."""


class GatewayProtocol(HttpToolsProtocol):
    """One client's connection."""

    def on_headers_complete(self) -> None:
        """A request's head has come: llhttp calls this."""
        before: RequestResponseCycle | None = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return
        extensions: dict[str, Any] = {END_WITH_TRAILERS: partial(_end_with_trailers, self.cycle)}
        self.cycle.scope["extensions"] = extensions
        self._ahead = [] if before is None or before.response_complete else [*self._ahead, before]

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: uvicorn tells only the last of its requests, and with pipelining that one waits."""
        for cycle in self._ahead:
            cycle.disconnected = cycle.disconnected or not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    _ahead: list[RequestResponseCycle] = []  # noqa: RUF012 - never changed, only replaced
    """Requests before the last one whose answers had not ended when it came."""


async def _end_with_trailers(cycle: RequestResponseCycle, body: bytes, trailers: Fields) -> None:
    if body:
        await cycle.send({"type": "http.response.body", "body": body, "more_body": True})
    if cycle.chunked_encoding and not cycle.disconnected:
        cycle.transport.write(b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % field for field in trailers))
        cycle.chunked_encoding = False  # the body's end has been written: the cycle must not write another
    await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})
