"""Answers to HTTP/1.0 clients."""

from typing import Any

from concur_proxy.server.cycle import GatewayCycle


class OldClientCycle(GatewayCycle):
    """The answer to a client that knows neither chunks nor interim answers (RFC 9112, 6.1; RFC 9110, 15.2).

    An answer without a length ends with the connection.
    """

    _ends_with_connection = False

    async def send(self, message: Any) -> None:  # noqa: ANN401 - uvicorn's own type is private
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._ends_with_connection = all(name.lower() != b"content-length" for name, _ in message["headers"])
            if self._ends_with_connection:
                self.chunked_encoding = False
        elif self._ends_with_connection:
            self.expected_content_length = len(message.get("body", b""))  # uvicorn subtracts what it sends
        await super().send(message)
