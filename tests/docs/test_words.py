"""Texts for people keep to the word list."""

from pathlib import Path

import pytest

from tests.docs.prose import passages
from tests.docs.words import check, read_rules, room, texts_of_repository


def test_texts_keep_to_the_word_list() -> None:
    findings = list(check(texts_of_repository(), rules=read_rules()))

    assert not findings, "\n".join(str(finding) for finding in findings)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It is asked anew.", "anew"),
        ("There\n    is none.", "There is none"),
        ("A length. Whose it is, nobody knows.", "Whose"),
        ("Which requests may wait.", "Which"),
        ("Of several gateways one leads.", "Of several"),
        ("Its key, and no more.", "no more"),
        ("The start of it.", "of it"),
        ("It is held for a second.", "is held"),
        ("The state as last heard.", "as last heard"),
        ("A follower hears later.", "hears later"),
        ("A request ends, well or badly.", "well or badly"),
        ("It is written down for the next leader.", "written down"),
        ("Its place in the line.", "place in the line"),
    ],
)
def test_a_phrase_of_the_list_is_found(tmp_path: Path, text: str, phrase: str) -> None:
    assert _phrases(tmp_path / "text.md", text) == [phrase]


@pytest.mark.parametrize(
    "text",
    [
        "Which engine answers? The one with the session.",
        "The session for which it waits.",
        "| which session a request belongs to |",
        "No more than four.",
        "It waits because of it.",
        "The setting `told` and\n```sh\nmend anew\n```\n",
        "The lock is held until the write ends.",
        "A trace is one line of the file, and the listener gets it.",
    ],
)
def test_plain_text_passes(tmp_path: Path, text: str) -> None:
    assert _phrases(tmp_path / "text.md", text) == []


def test_python_is_searched_in_docstrings_comments_and_messages_alone(tmp_path: Path) -> None:
    source = '''"""Whoever reads this."""
told = {"anew": f"{1} is wrong: mend the URL"}  # beside
# a phrase may go on: there
# is none
'''
    assert sorted(_phrases(tmp_path / "module.py", source)) == ["Whoever", "beside", "mend", "there is none"]


def test_a_finding_names_the_line_of_the_phrase(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('VALUE = 1\n"""First line,\n\nand here it is asked anew."""\n')

    lines = [
        passage.line + passage.text.count("\n", 0, passage.text.index("anew"))
        for passage in passages(path)
        if "anew" in passage.text
    ]

    assert lines == [4]


def test_a_room_is_a_package_or_a_folder() -> None:
    assert room("concur_proxy/wire/request/head.py") == "concur_proxy/wire"
    assert room("tests/conftest.py") == "tests"
    assert room("README.md") == "README.md"


def _phrases(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    return [
        " ".join(match.group().split())
        for passage in passages(path)
        for rule in read_rules()
        for match in rule.pattern.finditer(passage.text)
    ]
