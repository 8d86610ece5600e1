"""The allow-list: the methods and paths that pass the gateway, and those of them that need admission."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape, shape_of_path
from concur_proxy.wire.request.endpoint_rule import METHODS, EndpointKind, EndpointRule

ASKABLE_FOR_USAGE = frozenset({"/v1/chat/completions", "/v1/completions"})
"""Generating paths whose API has `stream_options.include_usage`."""

MAX_PATH_CHARS = 1024
"""Longer paths are refused as unknown. The longest real ones contain a model id or a response id."""

# No server can read such a segment as another path: it has no dot segment, escape, backslash, parameter or control
# character.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~:@+=,-]+"
_ONE_SEGMENT = re.compile(_SEGMENT)
_SEGMENTS = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_VARIABLE = re.compile(r"\{id(:path)?\}")


class KnownPaths(Protocol):
    """The paths of one kind of engine, as `concur_proxy.engines.kind.EnginePaths` describes them."""

    @property
    def generating(self) -> Sequence[str]: ...

    @property
    def passing(self) -> Sequence[str]: ...

    @property
    def stateful(self) -> Sequence[str]: ...

    @property
    def administrative(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One allowed method and path."""

    route: str
    """The path's template, such as `/v1/models/{id}`. It is a metric label, so there are few of them."""
    kind: EndpointKind
    shape: ApiShape
    can_ask_usage: bool = False
    """Whether the API has `stream_options.include_usage`, so that the gateway may ask for usage itself."""
    only_computes: bool = False
    """Whether a request leaves nothing on the engine unless its body says so."""
    is_stateful: bool = False
    """Whether a request uses something that one engine keeps, so that no other engine can answer it."""

    @property
    def takes_batches(self) -> bool:
        """Whether one request can have several prompts."""
        return self.shape is ApiShape.SGLANG or (
            self.shape is ApiShape.OPENAI and not self.route.endswith("/chat/completions")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request with this method and path is refused."""

    fault: GatewayFault
    detail: str
    """What is special about this request, for the error message."""
    allow: tuple[str, ...] = ()
    """For WRONG_METHOD: the methods that the path accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """Paths with the same beginning and end around a variable part."""

    prefix: str
    suffix: str
    variable: re.Pattern[str]
    methods: dict[str, Endpoint]

    def matches(self, path: str) -> bool:
        if not path.startswith(self.prefix) or not path.endswith(self.suffix):
            return False
        return self.variable.fullmatch(path, len(self.prefix), len(path) - len(self.suffix)) is not None


class Administration:
    """The engines' administrative paths. The allow-list never contains them, and a refusal reports that they are
    administrative.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        plain = {_plain(path) for path in paths}
        self._exact = {path for path in plain if not path.endswith("/*")}
        self._families = tuple(path.removesuffix("*") for path in plain if path.endswith("/*"))

    def __contains__(self, path: str) -> bool:
        """Whether `path` is administrative, in any case and with any number of slashes."""
        plain = _plain(path)
        return plain in self._exact or plain.startswith(self._families)


def _plain(path: str) -> str:
    return "/" + "/".join(segment for segment in path.lower().split("/") if segment)


class EndpointCatalogue:
    """The allow-list: built once, asked once per request.

    A configured rule takes precedence over an engine's row for the same method and path. A configured `/*` rule never
    opens an administrative path; such a path passes only if a rule names it exactly. No row of an engine kind opens a
    path that another kind calls administrative.
    """

    def __init__(
        self,
        rules: Iterable[EndpointRule] = (),
        known: Sequence[KnownPaths] = (),
        others: Sequence[KnownPaths] = (),
    ) -> None:
        """`rules` are configured, `known` are the paths of each engine kind.

        The administrative paths of `others`, kinds that are not known here, are administrative as well: such a server
        may be there, and may not be recognised.
        """
        self.administration = Administration(path for paths in (*known, *others) for path in paths.administrative)
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[_Pattern] = []
        generating = _distinct(paths.generating for paths in known)
        passing = _distinct((*paths.passing, *paths.stateful) for paths in known)
        self._stateful = {_split(row)[1] for paths in known for row in paths.stateful}
        # A path with a variable part names something that the engine keeps.
        self._computing = {_split(row)[1] for row in (*generating, *passing) if "{" not in row} - self._stateful
        for rule in rules:
            if rule.is_prefix:
                self._add_pattern(rule.methods, rule.path, "", _SEGMENTS, rule.route, rule.kind)
            else:
                self._add_exact(rule.methods, rule.path, rule.kind)
        self._add_rows(generating, EndpointKind.GENERATE)
        self._add_rows(passing, EndpointKind.PASS)

    def find(self, method: str, path: str) -> Endpoint | Refusal:
        """Return the endpoint of a request, or why it does not pass.

        `path` is percent-decoded and without its query, as in an ASGI scope. A path that passes may be sent on as
        received, because no server can read its decoded form in another way.
        """
        exact = self._exact.get(path)
        if exact is not None and (endpoint := exact.get(method)) is not None:
            return endpoint
        tables = [exact] if exact is not None else []
        tables += self._matching(path)
        if not tables:
            fault = GatewayFault.ADMIN_REFUSED if path in self.administration else GatewayFault.UNKNOWN_PATH
            return Refusal(fault=fault, detail=_named(method, path))
        return _choose(tables, method, path)

    def _matching(self, path: str) -> list[dict[str, Endpoint]]:
        if len(path) > MAX_PATH_CHARS:
            return []
        found = [pattern.methods for pattern in self._patterns if pattern.matches(path)]
        return found if found and path not in self.administration else []

    def _add_rows(self, rows: Iterable[str], kind: EndpointKind) -> None:
        for row in rows:
            methods, path = _split(row)
            variable = _VARIABLE.search(path)
            if variable is not None:
                prefix, suffix = path[: variable.start()], path[variable.end() :]
                segments = _ONE_SEGMENT if variable[1] is None else _SEGMENTS
                self._add_pattern(methods, prefix, suffix, segments, f"{prefix}{{id}}{suffix}", kind)
            elif path not in self.administration:
                self._add_exact(methods, path, kind)

    def _add_exact(self, methods: Iterable[str], path: str, kind: EndpointKind) -> None:
        endpoint = Endpoint(
            route=path,
            kind=kind,
            shape=shape_of_path(path),
            can_ask_usage=kind is EndpointKind.GENERATE and path in ASKABLE_FOR_USAGE,
            only_computes=path in self._computing,
            is_stateful=path in self._stateful,
        )
        table = self._exact.setdefault(path, {})
        for method in methods:
            table.setdefault(method, endpoint)

    def _add_pattern(
        self,
        methods: Iterable[str],
        prefix: str,
        suffix: str,
        variable: re.Pattern[str],
        route: str,
        kind: EndpointKind,
    ) -> None:
        endpoint = Endpoint(route=route, kind=kind, shape=shape_of_path(prefix))
        table = dict.fromkeys(methods, endpoint)
        self._patterns.append(_Pattern(prefix=prefix, suffix=suffix, variable=variable, methods=table))


def _choose(tables: list[dict[str, Endpoint]], method: str, path: str) -> Endpoint | Refusal:
    allow: dict[str, Endpoint] = {}
    for table in tables:
        allow = table | allow
    if method in allow:
        return allow[method]
    any_endpoint = next(iter(allow.values()))
    # Preflights and HEAD make no tokens. The engine answers them as it does without a gateway.
    if method == "OPTIONS":
        return replace(any_endpoint, kind=EndpointKind.PASS, can_ask_usage=False)
    if method == "HEAD" and "GET" in allow:
        return replace(allow["GET"], kind=EndpointKind.PASS, can_ask_usage=False)
    return Refusal(fault=GatewayFault.WRONG_METHOD, detail=_named(method, path), allow=tuple(sorted(allow)))


def _named(method: str, path: str) -> str:
    return f"{method} {path[:200]}"


def _distinct(rows: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(rows)))


def _split(row: str) -> tuple[list[str], str]:
    methods, _, path = row.partition(" ")
    if not set(methods.split(",")) <= set(METHODS) or not path.startswith("/"):
        raise ValueError(f"{row!r} in the paths of an engine kind: write it as 'GET,POST /path'")
    return methods.split(","), path
