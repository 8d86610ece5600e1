"""Which engines there are, and which of them can be used."""

from collections.abc import Iterable


class Roster:
    """The fleet's engines by name, in their order."""

    def __init__(self, engines: Iterable[str]) -> None:
        self._engines = dict.fromkeys(engines)
        self._down: set[str] = set()

    @property
    def down(self) -> frozenset[str]:
        """Engines that could not be reached."""
        return frozenset(self._down)

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached."""
        self._down.add(engine)

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        self._down.discard(engine)

    def takes(self, engine: str) -> bool:
        """Whether sessions that another engine has may come to this one."""
        return engine not in self._down

    def lost(self) -> list[str]:
        """Engines whose sessions must move: down, while another is not."""
        return list(self._down) if self._down and len(self._down) < len(self._engines) else []

    def is_lost(self, engine: str) -> bool:
        """Whether the engine is one of these."""
        return engine in self._down and len(self._down) < len(self._engines)

    def candidates(self) -> list[str]:
        """Engines to which a new session may go: those that are up, or all of them when none is."""
        return [engine for engine in self._engines if engine not in self._down] or list(self._engines)
