"""Manual settings: what operators have set at run time. They apply to all gateways that share a store."""

from collections.abc import Collection

import msgspec

from concur_proxy.control.law import Budget
from concur_proxy.control.options import OptionValue


class ManualWindow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A window that stays until it is set back to automatic."""

    sessions: float | None
    """None: no limit."""
    budget: Budget | None


class ManualLaw(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A control law that replaces the one from the settings."""

    name: str
    options: dict[str, OptionValue]


class ManualSettings(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All manual settings. Servers are identified by URL as in `--engine`, engines by name."""

    revision: int = 0
    """The higher revision wins."""
    added: tuple[str, ...] = ()
    """Servers that are used in addition to those in the settings."""
    removed: tuple[str, ...] = ()
    """Servers that are not used, although the settings or a DNS name list them."""
    windows: dict[str, ManualWindow] = {}
    """By the engine's name."""
    laws: dict[str, ManualLaw] = {}
    """By the engine's name."""

    def with_server(self, server: str, *, is_named: bool = False) -> "ManualSettings":
        """The settings with this server in use. `is_named`: the configuration lists it, so it need not be added."""
        added = _without(self.added, [server])
        return self._next(added=added if is_named else (*added, server), removed=_without(self.removed, [server]))

    def without_server(self, server: str, engines: Collection[str], *, is_named: bool) -> "ManualSettings":
        """The settings without this server and its `engines`. `is_named`: the configuration lists the server, so its
        removal must be noted.
        """
        left = self.forget([server], engines)
        return msgspec.structs.replace(left, removed=(*left.removed, server)) if is_named else left

    def forget(self, servers: Collection[str], engines: Collection[str]) -> "ManualSettings":
        """The settings without anything about these servers and engines."""
        return self._next(
            added=_without(self.added, servers),
            removed=_without(self.removed, servers),
            windows={engine: window for engine, window in self.windows.items() if engine not in engines},
            laws={engine: law for engine, law in self.laws.items() if engine not in engines},
        )

    def mentions(self, servers: Collection[str], engines: Collection[str]) -> bool:
        """Whether anything is set for one of these servers or engines."""
        return not {*self.added, *self.removed}.isdisjoint(servers) or not {*self.windows, *self.laws}.isdisjoint(
            engines
        )

    def with_window(self, engine: str, window: ManualWindow | None) -> "ManualSettings":
        """The settings with this window; None: the law moves the window."""
        others = {other: kept for other, kept in self.windows.items() if other != engine}
        return self._next(windows=others if window is None else others | {engine: window})

    def with_law(self, engine: str, law: ManualLaw | None) -> "ManualSettings":
        """The settings with this law for the engine; None: the configured law."""
        others = {other: kept for other, kept in self.laws.items() if other != engine}
        return self._next(laws=others if law is None else others | {engine: law})

    def _next(self, **changes: object) -> "ManualSettings":
        return msgspec.structs.replace(self, revision=self.revision + 1, **changes)


def _without(servers: tuple[str, ...], gone: Collection[str]) -> tuple[str, ...]:
    return tuple(server for server in servers if server not in gone)
