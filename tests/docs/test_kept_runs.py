"""Long benchmarks that are run in pieces."""

import time
from dataclasses import dataclass
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from tests.benchmarks import fingerprint
from tests.benchmarks.kept_runs import KeptRuns, OutOfTimeError


@dataclass(frozen=True)
class Took:
    seconds: float
    cuts: tuple[float, float] = (0.0, 0.0)


TOOK = Took(3.5, (1.0, 2.0))


def _fail() -> Took:
    raise AssertionError("this run is known")


def test_a_run_is_made_once_by_all_that_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    first = KeptRuns(file, Took)
    assert first.figures("small", "code", lambda: TOOK) == TOOK
    assert first.figures("small", "code", _fail) == TOOK
    assert KeptRuns(file, Took).figures("small", "code", _fail) == TOOK
    with pytest.raises(AssertionError):
        KeptRuns(file, Took).figures("large", "code", _fail)


def test_no_run_begins_after_the_end_but_known_ones_are_given(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    KeptRuns(file, Took).figures("small", "code", lambda: TOOK)
    late = KeptRuns(file, Took, ends_at=time.time() - 1)
    assert late.figures("small", "code", _fail) == TOOK
    with pytest.raises(OutOfTimeError):
        late.figures("large", "code", _fail)


def test_runs_of_other_code_and_figures_of_another_kind_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    KeptRuns(file, Took).figures("small", "code", lambda: TOOK)
    KeptRuns(file, int).figures("other", "code", lambda: 1)
    with file.open("a") as torn:
        torn.write('{"code": "code", "run": "to')

    again = KeptRuns(file, Took)
    assert again.known("small", "code") == TOOK
    assert again.known("small", "other code") is None
    assert again.known("other", "code") is None


def test_documentation_does_not_change_what_code_does() -> None:
    code = fingerprint.statements('"""Text."""\nclass A:\n    """Text."""\n    a = "b"\n    """Of a."""\n')
    assert code == fingerprint.statements('# a comment\nclass A:\n    a = ("b")\n')
    assert code != fingerprint.statements('class A:\n    a = "c"\n')


def test_a_fingerprint_changes_with_each_of_its_files_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(*without: str) -> str:
        fingerprint.fingerprint.cache_clear()
        return fingerprint.fingerprint("gateway", without=without)

    monkeypatch.setattr(fingerprint, "REPOSITORY", tmp_path)
    lab = tmp_path / "gateway" / "lab"
    lab.mkdir(parents=True)
    (tmp_path / "gateway" / "gate.py").write_text("a = 1")
    (lab / "page.py").write_text("b = 1")
    whole, gate = of(), of("gateway/lab")
    (lab / "page.py").write_text("b = 2")
    assert of() != whole
    assert of("gateway/lab") == gate
    (tmp_path / "gateway" / "gate.py").write_text("a = 2")
    assert of("gateway/lab") != gate
    with pytest.raises(FileNotFoundError):
        fingerprint.fingerprint("no such room")


def test_all_that_the_simulator_imports_counts() -> None:
    finder = ModuleFinder(path=[str(fingerprint.REPOSITORY)])
    for module in ("simulation.experiment", "simulation.policy", "recorded.load"):
        finder.import_hook(f"concur_proxy.lab.{module}")
    files = {file for module in finder.modules.values() if (file := getattr(module, "__file__", None))}
    left_out = [fingerprint.REPOSITORY / room for room in fingerprint.SIMULATOR_NEEDS_NOT]

    assert len(files) > 100
    assert all(path.exists() for path in left_out)
    assert [file for file in files if any(Path(file).is_relative_to(path) for path in left_out)] == []
