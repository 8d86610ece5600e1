"""Which engines there are, which of them can be used, and for what."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet


class Roster:
    """The fleet's engines by name, in their order.

    An engine whose models are not known counts as serving all; a model that none is known to serve is everybody's, so
    that an engine says itself that it does not exist.
    """

    def __init__(self, engines: Iterable[str]) -> None:
        self._models: dict[str, frozenset[str] | None] = dict.fromkeys(engines)
        self._down: set[str] = set()
        self._retiring: set[str] = set()
        self._learn()

    @property
    def down(self) -> frozenset[str]:
        """Engines that could not be reached."""
        return frozenset(self._down)

    @property
    def models(self) -> Collection[str]:
        """Every model that an engine is known to serve."""
        return self._serving.keys()

    @property
    def is_uniform(self) -> bool:
        """Whether every engine serves every model."""
        return self._is_uniform

    @property
    def retiring(self) -> AbstractSet[str]:
        """Engines that are given up as soon as nothing is in flight there; changes as they do."""
        return self._retiring

    def add(self, engine: str) -> None:
        """There is one more engine; one that was retiring stays."""
        self._retiring.discard(engine)
        self._models.setdefault(engine, None)
        self._learn()

    def retire(self, engine: str) -> None:
        """The engine serves nothing any more; `ValueError` for the last one that does."""
        if self._models.keys() <= self._retiring | {engine}:
            raise ValueError(f"{engine} is the last engine")
        self._retiring.add(engine)
        self._learn()

    def remove(self, engine: str) -> None:
        """There is no such engine any more."""
        del self._models[engine]
        self._retiring.discard(engine)
        self._down.discard(engine)
        self._learn()

    def leads_nowhere(self, engine: str) -> bool:
        """Whether whoever waits for the engine should go elsewhere: it is down, or retiring."""
        return engine in self._down or engine in self._retiring

    def is_down(self, engine: str) -> bool:
        """Whether the engine could not be reached."""
        return engine in self._down

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached."""
        self._down.add(engine)

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        self._down.discard(engine)

    def serve(self, engine: str, models: Collection[str] | None) -> bool:
        """The engine serves these models from now on; None: not known. Whether that is news."""
        known = None if models is None else frozenset(models)
        if known == self._models[engine]:
            return False
        self._models[engine] = known
        self._learn()
        return True

    def models_of(self, engine: str) -> frozenset[str] | None:
        """The models that the engine serves; None: not known."""
        return self._models[engine]

    def serves(self, engine: str, model: str | None) -> bool:
        """Whether a request for `model` may go to the engine."""
        return engine in self._engines_of(model)

    def are_alike(self, model: str | None, other: str | None) -> bool:
        """Whether the same engines serve both."""
        return model == other or self._engines_of(model) == self._engines_of(other)

    def takes(self, engine: str, model: str | None) -> bool:
        """Whether a session of another engine may come to this one."""
        return engine not in self._down and self.serves(engine, model)

    def has_lost(self, engine: str, model: str | None, avoid: str | None = None) -> bool:
        """Whether a session must leave the engine, and another can take it: it is down, does not serve the model, or is
        to be avoided.
        """
        if engine not in self._down and engine != avoid and self.serves(engine, model):
            return False
        return any(other not in self._down for other in self._engines_of(model) if other != engine)

    def candidates(self, model: str | None = None, avoid: str | None = None) -> list[str]:
        """Engines to which a new session may go: those that serve the model and are up, or all that serve it when none
        is; `avoid` only where there is no other.
        """
        serving = self._engines_of(model)
        engines = list(self._models) if len(serving) == len(self._models) else [e for e in self._models if e in serving]
        up = [engine for engine in engines if engine not in self._down] or engines
        return up if avoid is None else [engine for engine in up if engine != avoid] or up

    def _engines_of(self, model: str | None) -> frozenset[str]:
        return self._all if model is None else self._serving.get(model, self._undeclared)

    def _learn(self) -> None:
        self._all = frozenset(self._models.keys() - self._retiring)
        unknown = {engine for engine in self._all if self._models[engine] is None}
        self._undeclared = frozenset(unknown) or self._all
        """Engines to which a model goes that no list names."""
        serving: dict[str, set[str]] = {}
        for engine in self._all:
            for model in self._models[engine] or ():
                serving.setdefault(model, set(unknown)).add(engine)
        self._serving = {model: frozenset(engines) for model, engines in serving.items()}
        self._is_uniform = all(
            len(engines) == len(self._all) for engines in (*self._serving.values(), self._undeclared)
        )
