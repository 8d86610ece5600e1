"""The interface of an engine kind: everything in which one kind of inference server differs from another.

A kind is a class that derives from `EngineKind`. It needs a name, the three methods that read its metrics, and the
three signals in `REQUIRED_SIGNALS`. Everything else has a default. `concur_proxy.engines.kinds.vllm` is a complete
example.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concur_proxy.engines.exposition import Exposition, exposition_in_steps
from concur_proxy.engines.sample import EngineSample
from concur_proxy.steps import finish


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePaths:
    """The paths of a kind of server, each written with its methods: `GET,POST /ping`.

    `{id}` stands for one segment and `{id:path}` for one or more: `GET /v1/models/{id:path}`. The gateway passes on
    only what is listed here or in the setting `allow_paths`.
    """

    generating: tuple[str, ...] = ()
    """Paths that generate tokens. Their requests wait for admission."""
    passing: tuple[str, ...] = ()
    """Paths whose requests pass at once."""
    stateful: tuple[str, ...] = ()
    """Paths whose requests pass at once and use something that one server keeps. Such requests are never sent to
    another server.
    """
    administrative: tuple[str, ...] = ()
    """Paths without methods that only an operator may use: `/flush_cache`, or `/debug/*` for all below it. They never
    pass by default, and a refusal says that they are administrative.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What `concur-proxy doctor` advises for servers of a kind."""

    metrics: str = "make sure that the URL is the engine's own and that it exports metrics"
    """How to switch metrics on."""
    cached_tokens: str = "look in its documentation for how to switch this on"
    """How to make answers report how much of a prompt was in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A way in which a server was started that defeats the gateway."""

    code: str
    """A word for scripts."""
    message: str
    """What is wrong: the rest of a sentence that begins with the server's URL."""
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server says about itself."""

    version: str | None = None
    problems: tuple[Problem, ...] = ()


class EngineKind(ABC):
    """One kind of engine."""

    name: str
    """In metrics and logs, and as the provider in traces."""
    metrics_path: str = "/metrics"
    rank_label: str | None = None
    """The label by which the series of data-parallel ranks differ. None: no server of this kind has ranks."""
    rank_header: str | None = None
    """The request header that pins a request to a data-parallel rank."""
    counts_transferred: bool = False
    """Whether a decode server's answers count tokens as cached that it got from a prefill server."""
    paths: EnginePaths = EnginePaths()
    not_reported: frozenset[str] = frozenset()
    """Names of the optional signals in `SIGNALS` that servers of this kind do not export."""
    advice: Advice = Advice()
    info_paths: tuple[str, ...] = ()
    """Paths at which a server says what it is, as a JSON object. They are asked in this order."""

    @abstractmethod
    def wants(self, sample_name: str) -> bool:
        """Whether `read` may use a sample of this name."""

    @abstractmethod
    def recognises(self, exposition: Exposition) -> bool:
        """Whether an engine of this kind exported these series."""

    @abstractmethod
    def read(self, exposition: Exposition, *, at: float) -> EngineSample:
        """The sample of `exposition`. A missing signal is None."""

    def identify(self, path: str, answer: Mapping[str, Any]) -> ServerInfo | None:  # noqa: ARG002 - for overriding
        """What `answer`, the JSON object at one of `info_paths`, says. None: it is not from a server of this kind."""
        return None


class KnownKinds:
    """The engine kinds that a gateway knows. A server's kind is recognised from its metrics."""

    def __init__(self, kinds: Sequence[EngineKind]) -> None:
        """Raises `ValueError` if an object is not an engine kind. Kinds can come from other packages."""
        for kind in kinds:
            if not _is_kind(kind):
                what = type(kind).__qualname__
                raise ValueError(f"{what} is not an engine kind: derive it from EngineKind and give it a name")
            if not isinstance(kind.paths, EnginePaths):
                raise ValueError(f"engine kind {kind.name}: its paths must be EnginePaths")  # noqa: TRY004 - as above
        self._kinds = tuple(kinds)
        self.metrics_paths = tuple(dict.fromkeys(kind.metrics_path for kind in kinds))
        """Where the metrics of an unknown server may be, in the order in which to ask."""
        self.rank_headers = tuple(dict.fromkeys(kind.rank_header for kind in kinds if kind.rank_header is not None))
        """The headers that may pin a request to a data-parallel rank of an unknown server."""

    def __iter__(self) -> Iterator[EngineKind]:
        return iter(self._kinds)

    def get(self, name: str | None) -> EngineKind | None:
        """The kind with this name."""
        return next((kind for kind in self._kinds if kind.name == name), None)

    def read(self, path: str | None, text: str) -> tuple[EngineKind | None, Exposition]:
        """The kind whose metrics `text` has, and the series that kinds want. `path` is where the text was found; None
        for a page that an operator has named, which may be any kind's.
        """
        return finish(self.read_in_steps(path, text))

    def read_in_steps(self, path: str | None, text: str) -> Generator[None, None, tuple[EngineKind | None, Exposition]]:
        """Read as `read` does, in steps, so that its caller can do other work between two of them."""
        kinds = [kind for kind in self._kinds if path is None or kind.metrics_path == path]
        exposition = yield from exposition_in_steps(text, lambda name: any(kind.wants(name) for kind in kinds))
        return next((kind for kind in kinds if kind.recognises(exposition)), None), exposition


def _is_kind(built: object) -> bool:
    return isinstance(built, EngineKind) and bool(getattr(built, "name", ""))
