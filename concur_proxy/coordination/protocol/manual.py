"""What people have set by hand: it holds for all gateways that are one, whoever of them leads."""

from collections.abc import Collection

import msgspec

from concur_proxy.control.law import Budget
from concur_proxy.control.options import OptionValue


class ManualWindow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A window that stays until it is released."""

    sessions: float | None
    """None: any number."""
    budget: Budget | None


class ManualLaw(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A control law in the place of the settings' one."""

    name: str
    options: dict[str, OptionValue]


class ManualSettings(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All of it. Servers are as `--engine` names them, engines by name."""

    revision: int = 0
    """Of two that came from one, the larger is the later one."""
    added: tuple[str, ...] = ()
    """Servers that there are, whatever the settings name."""
    removed: tuple[str, ...] = ()
    """Servers that there are not, though the settings or a name's addresses name them."""
    windows: dict[str, ManualWindow] = {}
    """By engine."""
    laws: dict[str, ManualLaw] = {}
    """By engine."""

    def with_server(self, server: str, *, is_named: bool = False) -> "ManualSettings":
        """There is this server. `is_named`: the settings name it, and need only be followed again."""
        added = _without(self.added, [server])
        return self._next(added=added if is_named else (*added, server), removed=_without(self.removed, [server]))

    def without_server(self, server: str, engines: Collection[str], *, is_named: bool) -> "ManualSettings":
        """There is this server, whose engines these are, no more. `is_named`: the settings name it."""
        left = self.forget([server], engines)
        return msgspec.structs.replace(left, removed=(*left.removed, server)) if is_named else left

    def forget(self, servers: Collection[str], engines: Collection[str]) -> "ManualSettings":
        """Nothing is said of these any more."""
        return self._next(
            added=_without(self.added, servers),
            removed=_without(self.removed, servers),
            windows={engine: window for engine, window in self.windows.items() if engine not in engines},
            laws={engine: law for engine, law in self.laws.items() if engine not in engines},
        )

    def mentions(self, servers: Collection[str], engines: Collection[str]) -> bool:
        """Whether anything is said of any of these."""
        return not {*self.added, *self.removed}.isdisjoint(servers) or not {*self.windows, *self.laws}.isdisjoint(
            engines
        )

    def with_window(self, engine: str, window: ManualWindow | None) -> "ManualSettings":
        """This window stays; None: the law moves it."""
        others = {other: kept for other, kept in self.windows.items() if other != engine}
        return self._next(windows=others if window is None else others | {engine: window})

    def with_law(self, engine: str, law: ManualLaw | None) -> "ManualSettings":
        """This law moves the window; None: the settings' one."""
        others = {other: kept for other, kept in self.laws.items() if other != engine}
        return self._next(laws=others if law is None else others | {engine: law})

    def _next(self, **changes: object) -> "ManualSettings":
        return msgspec.structs.replace(self, revision=self.revision + 1, **changes)


def _without(servers: tuple[str, ...], gone: Collection[str]) -> tuple[str, ...]:
    return tuple(server for server in servers if server not in gone)
