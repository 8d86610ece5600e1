"""The interface of an engine's dialect: how one kind of engine names what it exports."""

from typing import Protocol

from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.sample import EngineSample


class EngineDialect(Protocol):
    """One engine kind; its file is `dialects/<name>.py` with a `build()`."""

    @property
    def name(self) -> str:
        """The kind, as in metrics and logs."""
        ...

    @property
    def rank_label(self) -> str:
        """The label by which the series of data-parallel ranks differ."""
        ...

    def wants(self, sample_name: str) -> bool:
        """Whether a sample of this name is one that `read` may use."""
        ...

    def recognises(self, exposition: Exposition) -> bool:
        """Whether these are the series of such an engine."""
        ...

    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """What the engine said; what it did not is None."""
        ...
