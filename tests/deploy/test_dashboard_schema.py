"""The dashboard against Grafana's own schema, by its foundation SDK."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.dashboard import dashboard

UNLISTED = ("definition", "maxPerRow", "textFormat", "titleFormat", "useValueForTime")
"""Fields that Grafana writes and reads, but that its schema leaves out."""


def lost(written: object, kept: object, path: str = "") -> Iterator[str]:
    """Paths of what the schema does not know, or knows otherwise."""
    if isinstance(written, dict) and isinstance(kept, dict):
        for name, value in written.items():
            if name not in kept:
                yield f"{path}/{name}"
            else:
                yield from lost(value, kept[name], f"{path}/{name}")
    elif isinstance(written, list) and isinstance(kept, list) and len(written) == len(kept):
        for number, (value, other) in enumerate(zip(written, kept, strict=True)):
            yield from lost(value, other, f"{path}/{number}")
    elif written != kept:
        yield path


def unknown(board: dict[str, Any]) -> list[str]:
    """What is lost when Grafana's types read the dashboard and write it again."""
    register_default_plugins()
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    for annotation in board["annotations"]["list"]:
        del annotation["target"]  # a query of the data source's plug-in, which the schema does not describe
    return [path for path in lost(board, kept) if not path.endswith(UNLISTED)]


def test_the_schema_knows_every_field() -> None:
    assert not unknown(dashboard())


@pytest.mark.parametrize(
    ("place", "typo"),
    [
        ([], {"refesh": "10s"}),
        (["panels", 1], {"fieldConfigs": {}}),
        (["panels", 1, "targets", 0], {"legendformat": "x"}),
        (["panels", 1, "fieldConfig", "defaults"], {"units": "s"}),
        (["templating", "list", 1], {"includeall": True}),
        (["links", 0], {"targetblank": True}),
    ],
    ids=["dashboard", "panel", "query", "field", "variable", "link"],
)
def test_a_typo_is_found(place: list[Any], typo: dict[str, Any]) -> None:
    board = dashboard()
    part: Any = board
    for step in place:
        part = part[step]
    part.update(typo)
    assert len(unknown(board)) == 1
