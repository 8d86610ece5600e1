"""The servers that the pool has, and who names each of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from concur_proxy.engines.address import addresses

SETTINGS = "settings"
"""The source of the servers that the setting `engine` names."""
OPERATOR = "operator"
"""The source of the servers that an operator has added. Each name of `engine_dns` is a source of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedServers:
    """The servers that each source names, without those that an operator has removed. It does not change."""

    by_source: Mapping[str, tuple[str, ...]]
    removed: frozenset[str] = frozenset()
    """Servers that an operator has removed, although another source names them."""

    @property
    def servers(self) -> list[str]:
        """The servers in use, as their sources name them."""
        named = dict.fromkeys(server for servers in self.by_source.values() for server in servers)
        return [server for server in named if server not in self.removed]

    @property
    def engines(self) -> list[str]:
        """The names of the servers' engines."""
        return _engines(self.servers)

    @property
    def homes(self) -> dict[str, str]:
        """The server of each engine."""
        return {name: server for server in self.servers for name in _engines([server])}

    @property
    def all_named(self) -> set[str]:
        """The servers that any source names, also the removed ones."""
        return {server for servers in self.by_source.values() for server in servers}

    def is_named(self, server: str) -> bool:
        """Whether the settings or a host name name this server."""
        return any(server in servers for source, servers in self.by_source.items() if source != OPERATOR)

    def sources_of(self, url: str) -> list[str]:
        """The sources that name the server at this URL, with any number of ranks."""
        return [
            source
            for source, servers in self.by_source.items()
            if any(server.partition("#")[0] == url for server in servers)
        ]

    def with_source(self, source: str, servers: Sequence[str]) -> "NamedServers":
        """The same with other servers of one source. Raises `ValueError` as `checked`."""
        return replace(self, by_source={**self.by_source, source: tuple(servers)}).checked(self.servers)

    def with_manual(self, added: Sequence[str], removed: Collection[str]) -> "NamedServers":
        """The same with what an operator has added and removed. Raises `ValueError` as `checked`."""
        by_source = {**self.by_source, OPERATOR: tuple(added)}
        return NamedServers(by_source=by_source, removed=frozenset(removed)).checked(self.servers)

    def checked(self, before: Sequence[str]) -> "NamedServers":
        """The servers, if they can form a fleet. Raises `ValueError` if no server of those `before` would be left, or
        one is not valid.
        """
        wanted = self.servers
        if not wanted:
            raise ValueError(f"{', '.join(before)} is the last engine")
        if len({server.partition("#")[0] for server in wanted}) < len(wanted):
            raise ValueError("an engine is named twice, with different ranks")
        _engines(wanted)
        return self


def _engines(servers: Sequence[str]) -> list[str]:
    return [address.name for server in servers for address in addresses(server)]
