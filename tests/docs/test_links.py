"""Every link in a Markdown file leads somewhere, and every file that a text names is there."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.words import REPOSITORY, texts_of_repository

PAGES = [path for path in texts_of_repository() if path.suffix == ".md"]

_FENCE = re.compile(r"^[ \t]*```.*?^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_NAMED_FILE = re.compile(
    r"(?<![\w/.-])(?:concur_proxy|tests|deploy)/[\w./-]*\w\.(?:py|md|ya?ml|toml|json|svg|png|service)\b"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [target for target in _links(page) if not _exists(page, target)]

    assert not broken


def test_every_file_that_a_text_names_is_there() -> None:
    missing = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in texts_of_repository()
        if not path.name.startswith("test_")  # made-up names are data there
        for name in set(_NAMED_FILE.findall(path.read_text(encoding="utf-8")))
        if not (REPOSITORY / name).exists()
    ]

    assert not missing, "\n".join(missing)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n\n[x](#a-b-c) [y](#nothing) [z](other.md) `[code](no.md)`\n\n```\n[t](no.md)\n```\n")

    assert [target for target in _links(page) if not _exists(page, target)] == ["#nothing", "other.md"]


def _links(page: Path) -> list[str]:
    text = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return [target for target in _LINK.findall(text) if not re.match(r"[a-z]+:", target)]


def _exists(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = page if not name else (page.parent / name).resolve()
    if not path.exists():
        return False
    return not anchor or anchor in _anchors(path)


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub makes of a page's headings."""
    anchors: list[str] = []
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        anchor = (
            re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).strip().replace(" ", "-")
        )
        repeated = anchors.count(anchor)
        anchors.append(f"{anchor}-{repeated}" if repeated else anchor)
    return frozenset(anchors)
