"""Tells a client that has left from one that has only finished sending.

Both look alike at first: the client's data ends (a FIN). They differ in what follows when more is sent to them: a
machine whose program has closed its socket answers with a reset (RFC 9293, 3.10.7.1). So a client whose request is
being served gets an interim answer, which every HTTP/1.1 client skips (RFC 9110, 15.2), unless its answer has begun by
then. Its socket is looked at until the answer has ended.
"""

import asyncio
import select
from collections.abc import Callable

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"

INTERIM_AFTER_S = 0.5
"""Seconds that a quick answer has before the interim one is sent."""
FIRST_CHECKS_S = (0.02, 0.1, 0.5)
"""Seconds before each check that follows: on loopback a reset comes at once, from afar after a round trip."""
CHECK_S = 2.0
"""Seconds before each later check."""


class HalfClosed:
    """Watches a client that has sent everything, and calls `on_gone` once it turns out to have left."""

    def __init__(
        self, transport: asyncio.Transport, *, may_ask: Callable[[], bool], on_gone: Callable[[], None]
    ) -> None:
        """`may_ask` returns whether an interim answer may be sent now."""
        self._transport = transport
        self._may_ask = may_ask
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._delays = iter(FIRST_CHECKS_S)
        self._timer = self._loop.call_later(INTERIM_AFTER_S, self._ask)

    def close(self) -> None:
        """The connection has ended."""
        self._timer.cancel()

    def _ask(self) -> None:
        if not self._transport.is_closing() and self._may_ask():
            self._transport.write(INTERIM)
        self._look_later()

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(next(self._delays, CHECK_S), self._look)

    def _look(self) -> None:
        if self._transport.is_closing():
            return
        if is_reset(self._transport):
            self._on_gone()
        else:
            self._look_later()


def is_reset(transport: asyncio.Transport) -> bool:
    """Whether the client has reset the connection. The event loop does not say so while nothing is read from it."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), 0)  # errors and hang-ups are always reported
    return bool(poll.poll(0))
