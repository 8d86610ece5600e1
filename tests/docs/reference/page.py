"""Markdown for the pages of the reference."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from types import ModuleType

NOTE = "<!-- Written by `python -m tests.docs.reference` from the code. Change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A page of paragraphs, tables and sections."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip("\n") for part in parts if part.strip())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; line breaks and bars in a cell are made safe."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def code(text: str) -> str:
    """Text as code, unless there is no text."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    """Several pieces of code, separated by commas."""
    return ", ".join(code(text) for text in texts)


def docstring(module: ModuleType) -> str:
    """A module's docstring as Markdown, in which indented lines are code blocks."""
    return textwrap.dedent(inspect.getdoc(module) or "")


def attribute_docstrings(owner: type) -> dict[str, str]:
    """The strings that follow the attributes of a class, by attribute."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for attribute, text in zip(body.body, body.body[1:], strict=False):
        match attribute, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                found[name] = " ".join(meaning.split())
    return found
