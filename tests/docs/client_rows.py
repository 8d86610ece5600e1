"""What the guides say about a client that is run: the cells of its table row."""

from pathlib import Path

from tests.benchmarks.record import MEASURED
from tests.real_clients.clients import BY_CONTENT, BY_NOTHING, Client
from tests.real_clients.report import NOT_HERE

WORDS = {
    BY_CONTENT: "content",
    "headers": "its own header",
    "previous-response": "the response that it continues",
    BY_NOTHING: "nothing",
}


def expected_row(client: Client) -> list[str]:
    """How the client is recognised, whether that is stable, and the one line that helps, as measured."""
    measured = row_of(MEASURED / "real-clients.md", client.title)
    if not measured:
        return ["not run yet", "-", client.helps]
    by = measured[1]
    return [by if by.startswith(NOT_HERE) else WORDS[by], measured[3], client.helps]


def row_of(page: Path, title: str, *, heading: str | None = None) -> list[str]:
    """The other cells of the row that begins with this title, below the heading if one is given.

    Empty without such a row.
    """
    text = page.read_text(encoding="utf-8")
    if heading is not None:
        text = text.rpartition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines()]
    return next(([cell.strip() for cell in row[1:]] for row in rows if row[0].strip() == title), [])
