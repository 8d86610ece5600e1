"""The locks agree with pyproject.toml and each other. Their first lines are the commands that make them."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN, TESTS = ROOT / "requirements.lock", ROOT / "tests" / "requirements.lock"
PIN = re.compile(r"^([a-z0-9-]+)==([^ ;]+)", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9._-]+")


def pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text()))


def names(requirements: list[str]) -> set[str]:
    found = (NAME.match(requirement) for requirement in requirements)
    return {re.sub(r"[._-]+", "-", match[0]).lower() for match in found if match is not None}


def test_the_run_lock_pins_each_dependency_and_the_build() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = names(project["project"]["dependencies"]) | names(project["build-system"]["requires"])
    assert wanted <= pins(RUN).keys()


def test_the_tests_lock_adds_the_tools_and_changes_no_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert names(project["project"]["optional-dependencies"]["dev"]) <= pins(TESTS).keys()
    assert pins(RUN).items() <= pins(TESTS).items()


@pytest.mark.parametrize("lock", [RUN, TESTS], ids=["run", "tests"])
def test_each_pin_has_its_hashes_and_no_place(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", text)
