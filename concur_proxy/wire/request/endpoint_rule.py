"""A path that an operator adds, such as `POST /my/path` or `GET,POST /files/*`, and what the gateway does with it."""

import re
from dataclasses import dataclass
from enum import Enum

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_LITERAL = re.compile(r"(/[A-Za-z0-9._~:@+=,-]+)+")


class EndpointKind(Enum):
    """Whether requests to a path need admission."""

    GENERATE = "generate"
    """Requests that generate tokens: they need admission."""
    PASS = "pass"  # noqa: S105  (not a password)
    """Requests that generate no tokens: they pass at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRule:
    """One item of the setting `allow_paths`."""

    methods: tuple[str, ...]
    path: str
    """A literal path, or the prefix before the `*`, with its slash."""
    is_prefix: bool
    """Whether the rule is for every path below `path`."""
    kind: EndpointKind

    @property
    def route(self) -> str:
        """The path as configured."""
        return f"{self.path}*" if self.is_prefix else self.path


def parse_endpoint_rule(text: str, kind: EndpointKind) -> EndpointRule:
    """Parse `METHOD[,METHOD] /path` or `METHOD[,METHOD] /path/*`. `ValueError` says in one line how to write it."""
    methods_text, slash, rest = text.strip().partition("/")
    methods = tuple(name.strip().upper() for name in methods_text.split(","))
    path = slash + rest
    if not path or any(name not in METHODS for name in methods):
        raise ValueError(f"{text!r} is not a path rule: write it as 'POST /my/path' or 'GET,POST /files/*'")
    is_prefix = path.endswith("/*")
    literal = path[:-2] if is_prefix else path
    if literal and (_LITERAL.fullmatch(literal) is None or _has_dot_segment(literal)):
        raise ValueError(
            f"{text!r}: the path must begin with '/', hold only letters, digits and ._~:@+=,- between single slashes, "
            "and may end in '/*'"
        )
    return EndpointRule(methods=methods, path=f"{literal}/" if is_prefix else literal, is_prefix=is_prefix, kind=kind)


def _has_dot_segment(path: str) -> bool:
    return any(segment in (".", "..") for segment in path.split("/"))
