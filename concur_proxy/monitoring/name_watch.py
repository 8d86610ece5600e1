"""Resolves a host name at regular intervals, to find servers that come and go behind it.

In a dual-stack cluster each server has an IPv4 and an IPv6 address behind the name. Only the addresses of one family
are used, so that no server is two engines.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from concur_proxy.monitoring.loop import Loop

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
"""About as long as cluster DNS allows its answers to be cached."""

SWITCH_AFTER = 3
"""The other family of addresses is used when it had more of them in so many answers in a row. A switch gives all
servers new names, so their sessions lose their places.
"""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host for a port. Raises `OSError` if it has no addresses."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver returns, sorted."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})


class OneFamily:
    """Chooses the addresses of one family: IPv4 at first, unless IPv6 has more."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._fewer = 0
        """How many answers in a row had fewer addresses of the family in use."""

    def choose(self, addresses: Sequence[str]) -> list[str]:
        """The addresses to use, each once, in order. Empty if the family in use has none in this answer."""
        families: dict[int, dict[str, None]] = {4: {}, 6: {}}
        for address in addresses:
            version, text = _family(address)
            families[version][text] = None
        larger = max(families, key=lambda version: len(families[version]))
        mine = larger if self._version is None else self._version
        self._fewer = self._fewer + 1 if len(families[mine]) < len(families[larger]) else 0
        if self._fewer >= SWITCH_AFTER:
            mine, self._fewer = larger, 0
        if families[mine]:
            self._version = mine
        return list(families[mine])


def _family(address: str) -> tuple[int, str]:
    """The IP version of an address, and its usual form: an IPv4 address can be written as an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return (6 if ":" in address else 4), address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (parsed.version, str(parsed)) if mapped is None else (mapped.version, str(mapped))


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
        self._family = OneFamily()
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
        chosen = self._family.choose(found)
        servers = [parts._replace(netloc=_netloc(address, parts.port)).geturl() for address in chosen]
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
