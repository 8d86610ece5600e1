"""Reads answers of servers that may be anything."""

import json
from typing import Any


def json_object(content: bytes) -> dict[str, Any]:
    """The JSON object that an answer's body contains; empty if it contains anything else."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
