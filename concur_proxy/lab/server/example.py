"""The simplest value that a JSON schema allows."""

from collections.abc import Mapping
from typing import Any

SIMPLE_TEXT = "pwd"
"""The value of every free text. It is a harmless shell command, and a harmless file name."""

MAX_DEPTH = 8
"""Deeper schemas, possibly recursive ones, get null."""

_SIMPLE: Mapping[str, object] = {"string": SIMPLE_TEXT, "boolean": False, "null": None}


def example(schema: object, root: Mapping[str, Any], depth: int = 0) -> object:
    """Return the simplest value. References are looked up in `root`."""
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return example(_referred(schema["$ref"], root), root, depth + 1)
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return example(schema[several][0], root, depth + 1)
    return _typed(schema, root, depth)


def _typed(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> object:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    if isinstance(kind, str) and kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    if kind == "array":
        return [example(schema.get("items"), root, depth + 1)] * int(schema.get("minItems", 0))
    properties = schema.get("properties", {})
    return {name: example(properties.get(name), root, depth + 1) for name in schema.get("required", ())}


def _referred(reference: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
