"""Asks again and again for the addresses of one name."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from urllib.parse import urlsplit

from concur_proxy.monitoring.loop_guard import LoopGuard
from concur_proxy.monitoring.probe import JITTER

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
"""As often as cluster DNS lets its answers be kept, or nearly."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port; `OSError` when there are none to be had."""


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says, sorted."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})


class NameWatch:
    """One server URL whose name stands for as many servers as it has addresses, as a headless service's does."""

    def __init__(
        self,
        url: str,
        on_servers: Callable[[Sequence[str]], None],
        *,
        interval_s: float = INTERVAL_S,
        resolve: Resolve = resolve,
    ) -> None:
        """`on_servers` hears of the URLs, each with an address in the name's place, when they are other ones."""
        self._url = url
        self._on_servers = on_servers
        self._interval_s = interval_s
        self._resolve = resolve
        self._servers: list[str] = []
        self._failure: str | None = None
        self._random = Random()  # noqa: S311 - jitter, no secret
        self._guard = LoopGuard(f"resolving {url}")

    async def run(self) -> None:
        """Ask until cancelled. While there is no answer, what was known last holds."""
        while True:
            await self._guard.attempt(self.ask)
            await asyncio.sleep(self._interval_s * self._random.uniform(1 - JITTER, 1 + JITTER))

    async def ask(self) -> None:
        """One question."""
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or 80
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            self._note(str(error))
            return
        self._note(None if found else "no addresses")
        servers = [parts._replace(netloc=_netloc(address, parts.port)).geturl() for address in found]
        if servers and servers != self._servers:
            self._servers = servers
            self._on_servers(servers)

    def _note(self, failure: str | None) -> None:
        if failure is not None and failure != self._failure:
            logger.warning("engines at %s: the name has no addresses, the last ones hold: %s", self._url, failure)
        self._failure = failure


def _netloc(address: str, port: int | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return host if port is None else f"{host}:{port}"
