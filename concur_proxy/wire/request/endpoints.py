"""Which methods and paths pass the gateway, and which of them wait for admission: an allow-list."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape, shape_of_path
from concur_proxy.wire.request import known_endpoints
from concur_proxy.wire.request.administration import is_administration
from concur_proxy.wire.request.endpoint_rule import EndpointKind, EndpointRule

MAX_PATH_CHARS = 1024
"""Longer paths are unknown; the longest real ones carry a model id or a response id."""

# a segment that no hop can read as another path: no dot segment, escape, backslash, parameter or control character
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~:@+=,-]+"
_ONE_SEGMENT = re.compile(_SEGMENT)
_SEGMENTS = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One allowed method and path."""

    route: str
    """The path's template, such as `/v1/models/{id}`: a metric label of bounded variety."""
    kind: EndpointKind
    shape: ApiShape
    can_ask_usage: bool = False
    """Whether `stream_options.include_usage` exists here, so that the gateway may ask for usage itself."""

    @property
    def is_generating(self) -> bool:
        """Whether a request waits for its session's place."""
        return self.kind is EndpointKind.GENERATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a method and path do not pass."""

    fault: GatewayFault
    shape: ApiShape
    """Whose error body the caller expects."""
    detail: str
    """What is special about this request, for the error message."""
    allow: tuple[str, ...] = ()
    """For WRONG_METHOD: the methods that the path takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """Paths with one beginning and one end around a variable part."""

    prefix: str
    suffix: str
    variable: re.Pattern[str]
    methods: dict[str, Endpoint]

    def matches(self, path: str) -> bool:
        if not path.startswith(self.prefix) or not path.endswith(self.suffix):
            return False
        return self.variable.fullmatch(path, len(self.prefix), len(path) - len(self.suffix)) is not None


class EndpointCatalogue:
    """The allow-list: built once, asked once a request. A configured rule comes before the built-in rows for the same
    method and path.

    A configured `/*` rule never opens an administration path; such a path passes only where a rule names it exactly.
    """

    def __init__(self, rules: Iterable[EndpointRule] = ()) -> None:
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[_Pattern] = []
        for rule in rules:
            if rule.is_prefix:
                self._add_pattern(rule.methods, rule.path, "", _SEGMENTS, rule.route, rule.kind)
            else:
                self._add_exact(rule.methods, rule.path, rule.kind)
        for methods, path in known_endpoints.GENERATING:
            self._add_exact(methods.split(","), path, EndpointKind.GENERATE)
        for methods, path in known_endpoints.PASSING:
            self._add_exact(methods.split(","), path, EndpointKind.PASS)
        for methods, prefix, suffix in known_endpoints.PASSING_ONE_SEGMENT:
            route = f"{prefix}{{id}}{suffix}"
            self._add_pattern(methods.split(","), prefix, suffix, _ONE_SEGMENT, route, EndpointKind.PASS)
        for methods, prefix, suffix in known_endpoints.PASSING_SEGMENTS:
            route = f"{prefix}{{id}}{suffix}"
            self._add_pattern(methods.split(","), prefix, suffix, _SEGMENTS, route, EndpointKind.PASS)

    def find(self, method: str, path: str) -> Endpoint | Refusal:
        """What to do with a request.

        `path` is percent-decoded and without its query, as in an ASGI scope. A path that passes may be sent on as it
        was received: its decoded form holds no segment that another reading could change.
        """
        exact = self._exact.get(path)
        if exact is not None and (endpoint := exact.get(method)) is not None:
            return endpoint
        tables = [exact] if exact is not None else []
        tables += self._matching(path)
        if not tables:
            fault = GatewayFault.ADMIN_REFUSED if is_administration(path) else GatewayFault.UNKNOWN_PATH
            return Refusal(fault=fault, shape=shape_of_path(path), detail=_named(method, path))
        return _choose(tables, method, path)

    def _matching(self, path: str) -> list[dict[str, Endpoint]]:
        if len(path) > MAX_PATH_CHARS:
            return []
        found = [pattern.methods for pattern in self._patterns if pattern.matches(path)]
        return found if found and not is_administration(path) else []

    def _add_exact(self, methods: Iterable[str], path: str, kind: EndpointKind) -> None:
        endpoint = Endpoint(
            route=path,
            kind=kind,
            shape=shape_of_path(path),
            can_ask_usage=kind is EndpointKind.GENERATE and path in known_endpoints.ASKABLE_FOR_USAGE,
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
    # preflights and HEAD make no tokens; the engine answers them as it does without a gateway
    if method == "OPTIONS":
        return replace(any_endpoint, kind=EndpointKind.PASS, can_ask_usage=False)
    if method == "HEAD" and "GET" in allow:
        return replace(allow["GET"], kind=EndpointKind.PASS, can_ask_usage=False)
    return Refusal(
        fault=GatewayFault.WRONG_METHOD,
        shape=shape_of_path(path),
        detail=_named(method, path),
        allow=tuple(sorted(allow)),
    )


def _named(method: str, path: str) -> str:
    return f"{method} {path[:200]}"
