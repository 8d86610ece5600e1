"""The README stays short, and a newcomer finds everything else from it."""

import re

from tests.docs.words import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MOST_BYTES = 7_000


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= MOST_BYTES


def test_the_two_commands_for_a_fresh_machine_stand_alone() -> None:
    commands = re.findall(r"^```sh\n(sh deploy/start (?:demo|tests))\b[^\n]*\n```$", README, re.MULTILINE)

    assert commands == ["sh deploy/start demo", "sh deploy/start tests"]


def test_figures_are_those_of_their_source() -> None:
    results = README[README.index("## Results") : README.index("## How it compares")]
    rows = [line.split(" | ") for line in results.splitlines() if line.startswith("| ")][2:]

    assert len(rows) == 6
    for _, without, with_, source in rows:
        path = re.search(r"\((deploy/docs/measured/[\w-]+\.md)\)", source)
        assert path is not None, source
        measured = _numbers((REPOSITORY / path[1]).read_text(encoding="utf-8"))
        for figure in re.findall(r"\d+\.\d+|\d+", f"{without} {with_}"):
            decimals = len(figure.partition(".")[2])
            assert float(figure) in {round(number, decimals) for number in measured}, f"{figure}: {source}"


def _numbers(text: str) -> set[float]:
    return {float(number) for number in re.findall(r"\d+\.\d+|\d+", text)}
