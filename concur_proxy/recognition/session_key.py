"""Whose session a request belongs to: the first of a configurable list of headers and body fields that names one."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

DEFAULT_SESSION_HEADERS: tuple[str, ...] = (
    "x-session-id",
    "session-id",
    "session_id",
    "x-claude-code-session-id",
    "x-session-affinity",
    "x-litellm-session-id",
    "x-dynamo-session-id",
)
"""Asked in this order. In use by: many clients, Codex (both spellings), Claude Code 2.1.86 and later, OpenCode,
LiteLLM, Dynamo.
"""

DEFAULT_SESSION_FIELDS: tuple[str, ...] = ("program_id", "metadata.session_id", "prompt_cache_key")
"""Asked after the headers. ThunderAgent, LiteLLM, OpenAI's own (Codex puts its conversation id there)."""

MAX_KEY_CHARS = 256
"""Longer keys are replaced by their digest: a key costs memory for as long as its session lives."""


def session_key(value: object) -> str | None:
    """A client's value as a key: text or a whole number, trimmed; None where it names nothing.

    Two values never fall together: what is too long or unprintable becomes its SHA-256.
    """
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    elif isinstance(value, str):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        return None
    text = text.strip()
    if not text:
        return None
    if len(text) > MAX_KEY_CHARS or not text.isprintable():
        return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return text


class SessionKeyReader:
    """Finds the key in a body's fields; headers come first and are read by `RequestFactsReader`.

    A field is a dotted path into the body. A step into a string reads that string as JSON, so that
    `metadata.user_id.session_id` finds the session of Claude Code before 2.1.86; it is no default, because elsewhere
    `metadata.user_id` names a user with many sessions.
    """

    def __init__(self, fields: Iterable[str] = DEFAULT_SESSION_FIELDS) -> None:
        self._paths = [tuple(path.split(".")) for path in fields]

    def read(self, fields: Mapping[str, Any]) -> str | None:
        """The first key among a head's `session_fields`; None where no field names one."""
        if not fields:
            return None
        for path in self._paths:
            key = session_key(_resolve(fields, path))
            if key is not None:
                return key
        return None


def _resolve(fields: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: object = fields
    for step in path:
        if isinstance(value, str):
            value = _parse(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _parse(text: str) -> object:
    if not text.startswith("{") or len(text) > 4096:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
