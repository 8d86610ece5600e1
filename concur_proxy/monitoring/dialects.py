"""Whose names an engine's metrics have: those of one of the dialects that there are."""

from concur_proxy import plugins
from concur_proxy.engines.dialect import EngineDialect
from concur_proxy.engines.exposition import Exposition, read_exposition


class KnownDialects:
    """All of them, one instance each."""

    def __init__(self) -> None:
        self._all: list[EngineDialect] = [
            plugins.load(plugins.ENGINE_KINDS, name)() for name in plugins.available(plugins.ENGINE_KINDS)
        ]

    def read(self, text: str) -> tuple[EngineDialect | None, Exposition]:
        """An engine's metrics, as far as any dialect asks for them, and the dialect that knows them; None: none."""
        exposition = read_exposition(text, lambda name: any(dialect.wants(name) for dialect in self._all))
        return next((dialect for dialect in self._all if dialect.recognises(exposition)), None), exposition
