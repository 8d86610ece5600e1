"""Resolves a host name at regular intervals, to find servers that come and go behind it."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from concur_proxy.monitoring.loop import Loop

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
"""About as long as cluster DNS allows its answers to be cached."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host for a port. Raises `OSError` if it has no addresses."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver returns, sorted."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})


class NameWatch:
    """Watches a URL whose host name has one address for each server, as with a headless service."""

    def __init__(
        self,
        url: str,
        on_servers: Callable[[Sequence[str]], None],
        *,
        interval_s: float = INTERVAL_S,
        resolve: Resolve = resolve,
    ) -> None:
        """`on_servers` is called when the addresses have changed. It gets a URL for each address."""
        self._url = url
        self._on_servers = on_servers
        self._resolve = resolve
        self._servers: list[str] = []
        self._failure: str | None = None
        self._loop = Loop(f"resolving {url}", self.ask, interval_s=interval_s)

    async def run(self) -> None:
        """Resolve until cancelled."""
        await self._loop.run()

    async def ask(self) -> None:
        """Resolve once. If that fails, the servers stay as they were."""
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
            logger.warning("engines at %s: cannot resolve the name, using its last addresses: %s", self._url, failure)
        self._failure = failure


def _netloc(address: str, port: int | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return host if port is None else f"{host}:{port}"
