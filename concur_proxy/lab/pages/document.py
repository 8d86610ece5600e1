"""The HTML document around a page's content, and its tables."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files


def document(title: str, body: Iterable[str]) -> str:
    """A whole HTML document with the style of all these pages. The body's parts are HTML."""
    style = files("concur_proxy.lab.pages").joinpath("style.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style></head><body>",
            *body,
            "</body></html>",
            "",
        ]
    )


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose rows begin with their names. It scrolls sideways where it is too wide. All arguments are text."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in (title, *headings))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
