"""A file of results says how it was measured, and holds what the benchmark has printed."""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks import record

RESULTS = sorted(record.MEASURED.glob("*.md"))


def test_a_benchmark_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MEASURED", tmp_path)

    path = record.record("tests.benchmarks.simulator", ["--agents", "4", "--turns", "2"], name="small")

    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "small.md"
    assert "| Command | `python -m tests.benchmarks.simulator --agents 4 --turns 2` |" in text
    assert re.search(r"\| Date \| 20\d\d-\d\d-\d\d \d\d:\d\d UTC \|", text)
    assert re.search(r"\| Machine \| .+, \d+ cores, Python 3\.\d+\.\d+, \w+ \w+ \|", text)
    assert re.search(r"^\| 4 \| 2 \|", text, re.MULTILINE), "the benchmark's own table"


def test_a_page_names_no_folder_of_the_machine_that_measured() -> None:
    benchmark = ModuleType("bench")
    arguments = [
        "--environments",
        "/home/me/env",
        "--source",
        "peer=/home/me/peer",
        "--url",
        "http://localhost:8000/v1",
    ]

    text = record.page(benchmark, arguments, "", commit="0", began=datetime.now(UTC))

    assert (
        "| Command | `python -m bench --environments env --source peer=peer --url http://localhost:8000/v1` |" in text
    )


def test_a_benchmark_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MEASURED", tmp_path)
    (tmp_path / "small.md").write_text("before")

    with pytest.raises(SystemExit):
        record.record("tests.benchmarks.simulator", ["--no-such-flag"], name="small")

    assert (tmp_path / "small.md").read_text() == "before"


def test_a_rule_that_did_not_hold_is_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MEASURED", tmp_path)

    def main(_: Sequence[str]) -> None:
        print("| this rule | held | no |")
        sys.exit(1)

    benchmark = ModuleType("strict")
    benchmark.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "strict", benchmark)

    with pytest.raises(SystemExit):
        record.record("strict", [], name="strict")

    assert "| this rule | held | no |" in (tmp_path / "strict.md").read_text()


@pytest.mark.parametrize("path", [path for path in RESULTS if path.stem != "README"], ids=lambda path: path.stem)
def test_every_result_says_how_it_was_measured(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    for fact in ("Command", "Commit", "Date", "Machine"):
        assert re.search(rf"^\| {fact} \| .+ \|$", text, re.MULTILINE), fact


def test_every_result_is_in_the_list() -> None:
    index = (record.MEASURED / "README.md").read_text(encoding="utf-8")

    assert [path.stem for path in RESULTS if f"({path.name})" not in index and path.stem != "README"] == []
