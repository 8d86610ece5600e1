"""The engines of a fleet: which of them can be used, and for which models."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet


class Roster:
    """The fleet's engines by name, in their order.

    An engine whose models are not known counts as serving all models. A model that no engine is known to serve can go
    to any engine, so that the engine itself answers that the model does not exist.
    """

    def __init__(self, engines: Iterable[str]) -> None:
        self._models: dict[str, frozenset[str] | None] = dict.fromkeys(engines)
        self.down: frozenset[str] = frozenset()
        """Engines that cannot be reached."""
        self._retiring: set[str] = set()
        self._learn()

    @property
    def models(self) -> Collection[str]:
        """Every model that some engine is known to serve."""
        return self._serving.keys()

    @property
    def is_uniform(self) -> bool:
        """Whether every engine serves every model."""
        return self._is_uniform

    @property
    def retiring(self) -> AbstractSet[str]:
        """Engines that are removed as soon as nothing is in flight there. Not a copy: later changes appear in it."""
        return self._retiring

    def add(self, engine: str) -> None:
        """Add an engine. An engine that is retiring stays."""
        self._retiring.discard(engine)
        self._models.setdefault(engine, None)
        self._learn()

    def retire(self, engine: str) -> None:
        """Mark the engine for removal. Raises `ValueError` if every other engine is retiring already."""
        if self._models.keys() <= self._retiring | {engine}:
            raise ValueError(f"{engine} is the last engine")
        self._retiring.add(engine)
        self._learn()

    def remove(self, engine: str) -> None:
        """Remove the engine."""
        del self._models[engine]
        self._retiring.discard(engine)
        self.down -= {engine}
        self._learn()

    def leads_nowhere(self, engine: str) -> bool:
        """Whether sessions that wait for the engine should go elsewhere: it is down, or retiring."""
        return engine in self.down or engine in self._retiring

    def mark_down(self, engine: str) -> None:
        """Note that the engine cannot be reached."""
        self.down |= {engine}

    def mark_up(self, engine: str) -> None:
        """Note that the engine answers again."""
        self.down -= {engine}

    def serve(self, engine: str, models: Collection[str] | None) -> bool:
        """Set the models that the engine serves; None: not known. Returns whether this is a change."""
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
        """Whether both models are served by the same engines."""
        return model == other or self._engines_of(model) == self._engines_of(other)

    def takes(self, engine: str, model: str | None) -> bool:
        """Whether a session of another engine may move to this one."""
        return engine not in self.down and self.serves(engine, model)

    def has_lost(self, engine: str, model: str | None, avoid: str | None = None) -> bool:
        """Whether a session must leave the engine, because it is down, does not serve the model, or is to be avoided.
        False if no other engine can take the session.
        """
        if engine not in self.down and engine != avoid and self.serves(engine, model):
            return False
        return any(other not in self.down for other in self._engines_of(model) if other != engine)

    def candidates(self, model: str | None = None, avoid: str | None = None) -> list[str]:
        """Engines that a new session may go to: those that serve the model and are up, or all that serve it if none is
        up. `avoid` is left out if there is another one.
        """
        serving = self._engines_of(model)
        engines = list(self._models) if len(serving) == len(self._models) else [e for e in self._models if e in serving]
        up = [engine for engine in engines if engine not in self.down] or engines
        return up if avoid is None else [engine for engine in up if engine != avoid] or up

    def _engines_of(self, model: str | None) -> frozenset[str]:
        return self._all if model is None else self._serving.get(model, self._undeclared)

    def _learn(self) -> None:
        self._all = frozenset(self._models.keys() - self._retiring)
        unknown = {engine for engine in self._all if self._models[engine] is None}
        self._undeclared = frozenset(unknown) or self._all
        """Engines for a model that no engine lists."""
        serving: dict[str, set[str]] = {}
        for engine in self._all:
            for model in self._models[engine] or ():
                serving.setdefault(model, set(unknown)).add(engine)
        self._serving = {model: frozenset(engines) for model, engines in serving.items()}
        self._is_uniform = all(
            len(engines) == len(self._all) for engines in (*self._serving.values(), self._undeclared)
        )
