"""The fenced blocks of Markdown pages."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block with its language."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yields the fenced blocks of a page that name a language."""
    source = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(source):
        yield Block(
            language=match["language"],
            text=textwrap.dedent(match["text"]),
            line=source.count("\n", 0, match.start()) + 1,
        )
