"""Model names in the engines' lists, and in requests without JSON."""

import json
import re
from collections.abc import Generator, Sequence
from typing import Any

LIST_PATH = "/v1/models"

_FORM_FIELD = re.compile(rb'content-disposition:[^\r\n;]*;[ \t]*name="?model"?[ \t]*(?:\r\n|$)', re.IGNORECASE)
_MOST_PARTS = 100
"""Parts of a form that are looked at."""
_PART_BYTES = 2048
"""How much of each part is looked at: its head and a model's name."""
_STEP_BYTES = 1024 * 1024
"""So many bytes are searched for the next part in one step."""


def model_ids(body: bytes) -> frozenset[str] | None:
    """Return the ids in an answer to `GET /v1/models`, with LoRA adapters; None if it is not such a list."""
    cards = _cards(body)
    if cards is None:
        return None
    return frozenset(card["id"] for card in cards if isinstance(card.get("id"), str))


def longest_context(body: bytes) -> int | None:
    """Return the largest `max_model_len` in an answer to `GET /v1/models`. None if a model does not have one; a LoRA
    adapter, which names its parent, has that of its parent.
    """
    lengths = [card.get("max_model_len") for card in _cards(body) or () if not card.get("parent")]
    known = [each for each in lengths if type(each) is int and each > 0]
    return max(known) if known and len(known) == len(lengths) else None


def merge_lists(bodies: Sequence[bytes]) -> bytes | None:
    """Return one list of all models. The first body that names a model describes it. None if no body is a list."""
    merged: dict[str, Any] | None = None
    cards: dict[object, dict[str, Any]] = {}
    for body in bodies:
        listed = _cards(body)
        if listed is None:
            continue
        if merged is None:
            merged = json.loads(body)
        for card in listed:
            cards.setdefault(str(card.get("id")), card)
    if merged is None:
        return None
    return json.dumps({**merged, "data": list(cards.values())}, ensure_ascii=False, separators=(",", ":")).encode()


def model_in_path(path: str) -> str | None:
    """Return the model of a path like `/v1/models/{id}`."""
    return path.removeprefix(f"{LIST_PATH}/") if path.startswith(f"{LIST_PATH}/") else None


def model_in_form(body: bytes) -> Generator[None, None, str | None]:
    """Return the field `model` of a multipart form, in steps. The audio endpoints use forms. None if it is not among
    the first hundred fields.
    """
    first_line, _, _ = body[:_PART_BYTES].partition(b"\r\n")
    boundary = b"\r\n" + first_line
    start = len(first_line)
    for _ in range(_MOST_PARTS):
        head, blank, value = body[start : start + _PART_BYTES].partition(b"\r\n\r\n")
        if blank and _FORM_FIELD.search(head) is not None:
            name, end, _ = value.partition(b"\r\n")
            return (name.decode("utf-8", "replace").strip() or None) if end else None
        while (found := body.find(boundary, start, start + _STEP_BYTES + len(boundary))) < 0:
            start += _STEP_BYTES
            if start >= len(body):
                return None
            yield
        start = found + len(boundary)
    return None


def _cards(body: bytes) -> list[dict[str, Any]] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    cards = value.get("data") if isinstance(value, dict) else None
    if not isinstance(cards, list):
        return None
    return [card for card in cards if isinstance(card, dict)]
