"""Why an engine's answer did not come, or not as a whole."""


class EngineUnreachable(Exception):  # noqa: N818 - named like an outcome
    """No connection to the engine: refused, timed out, unknown host, TLS handshake failed."""


class GatewayExhausted(EngineUnreachable):
    """No connection could be made because this process, or its machine, has no files, ports or memory left."""


class EngineBroke(Exception):  # noqa: N818 - as above
    """The connection ended before the answer was complete, or the answer was not HTTP/1.1."""

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered
        """Whether status and headers had been received. The client has them then, and its answer can only be cut off.
        """


class EngineTimedOut(EngineBroke):
    """The engine was silent for longer than it may be."""
