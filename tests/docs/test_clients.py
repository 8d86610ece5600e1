"""The guide has a row for each client, and says what was measured or that nothing was."""

from pathlib import Path

import pytest

from tests.benchmarks.record import MEASURED
from tests.docs.words import REPOSITORY
from tests.real_clients.clients import BY_CONTENT, BY_NOTHING, CLIENTS, Client
from tests.real_clients.report import NOT_HERE

GUIDE = REPOSITORY / "deploy/docs/guides/sessions.md"
WORDS = {
    BY_CONTENT: "content",
    "headers": "its own header",
    "previous-response": "the response that it continues",
    BY_NOTHING: "nothing",
}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_guide_says_what_was_measured(client: Client) -> None:
    measured = _row(MEASURED / "real-clients.md", client.title)
    row = _row(GUIDE, client.title)
    if not measured:
        assert row == ["not run yet", "-", client.helps]
        return
    by = measured[1]
    assert row[:2] == [by if by.startswith(NOT_HERE) else WORDS[by], measured[3]]
    assert row[2] == client.helps


def _row(page: Path, title: str) -> list[str]:
    """The other cells of the row that begins with this title; empty without such a row."""
    text = page.read_text(encoding="utf-8").rpartition("## Clients that were run")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines()]
    return next(([cell.strip() for cell in row[1:]] for row in rows if row[0].strip() == title), [])
