"""Dotted paths into a JSON body."""

import json
from collections.abc import Mapping, Sequence

MAX_NESTED_CHARS = 4096
"""JSON in a string is read up to this length."""


def resolve(fields: Mapping[str, object], path: Sequence[str]) -> object:
    """Return the value at the path; None if nothing is there. A step into a string reads that string as JSON."""
    value: object = fields
    for step in path:
        if isinstance(value, str):
            value = _parse(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _parse(text: str) -> object:
    if not text.startswith("{") or len(text) > MAX_NESTED_CHARS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
