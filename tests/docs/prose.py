"""Finds the text for people in a file: docstrings, comments and messages in Python, and the prose in Markdown."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CODE_SPAN = re.compile(r"``[^`]+``|`[^`\n]+(?:\n[^`\n]+)?`")
_ADDRESS = re.compile(r"https?://[^\s)>\"']+")
_FENCE = re.compile(r"^[ \t]*```.*?^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")
_COMMENT_MARK = re.compile(r"<!--|-->")

OTHER_TEXT = frozenset({".html", ".js", ".css", ".toml", ".yml", ".yaml", ".tpl", ".txt", ".service", ".sh", ".conf"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A connected piece of text for people, with the line of the file where it begins."""

    text: str
    line: int


def passages(path: Path) -> Iterator[Passage]:
    """Yields the text for people in the file; names in backticks and addresses are blanked out.

    The strings of a test are its data, so only docstrings and comments count there.
    """
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        found: Iterator[Passage] = _python(source, with_messages=not path.name.startswith("test_"))
    elif path.suffix == ".md":
        found = iter([Passage(text=_FENCE.sub(_blank, source), line=1)])
    elif path.suffix in OTHER_TEXT or path.suffix == "":
        found = iter([Passage(text=source, line=1)])
    else:
        found = iter(())
    for passage in found:
        text = passage.text
        for pattern in (_CODE_SPAN, _ADDRESS, _LINK_TARGET, _COMMENT_MARK):
            text = pattern.sub(_blank, text)
        yield Passage(text=re.sub(r"\n[ \t]+", "\n", text), line=passage.line)


def _python(source: str, *, with_messages: bool) -> Iterator[Passage]:
    yield from _comments(source)
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts_of_f_strings = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts_of_f_strings:
            text = node.value
        else:
            continue
        if id(node) in docstrings or (with_messages and _is_prose(text)):
            yield Passage(text=text, line=node.lineno)


def _is_prose(text: str) -> bool:
    """Tells a message or docstring from a key, a path or a pattern: at least three words in a row."""
    return re.search(r"[A-Za-z,]{2,} [A-Za-z]+ [A-Za-z]+", text) is not None


def _comments(source: str) -> Iterator[Passage]:
    """Comments, with those in consecutive lines joined into one passage."""
    joined: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        text = token.string.lstrip("#: ")
        if joined and token.start[0] == last + 1:
            joined.append(text)
        else:
            if joined:
                yield Passage(text="\n".join(joined), line=first)
            joined, first = [text], token.start[0]
        last = token.start[0]
    if joined:
        yield Passage(text="\n".join(joined), line=first)


def _blank(match: re.Match[str]) -> str:
    """Replaces code by a placeholder that keeps line breaks, so that findings keep their lines."""
    return "CODE" + "\n" * match.group().count("\n")
