"""Long benchmarks that are run in pieces."""

import time
from pathlib import Path

import pytest

from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.result import Result
from tests.benchmarks import kept_runs
from tests.benchmarks.kept_runs import KeptRuns, OutOfTimeError
from tests.lab.simulation.small import small


def _run() -> Result:
    return Experiment(small(), POLICIES["off"], 1, keeps_courses=False).run()


def _fail() -> Result:
    raise AssertionError("this run is known")


def test_a_run_is_made_once_by_all_that_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    first = KeptRuns(file)
    figures = first.figures("small off", _run)
    assert first.figures("small off", _fail) == figures
    assert KeptRuns(file).figures("small off", _fail) == figures
    assert figures.open_s > 0
    with pytest.raises(AssertionError):
        KeptRuns(file).figures("small 4", _fail)


def test_no_run_begins_after_the_end_but_known_ones_are_given(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    figures = KeptRuns(file).figures("small off", _run)
    late = KeptRuns(file, ends_at=time.time() - 1)
    assert late.figures("small off", _fail) == figures
    with pytest.raises(OutOfTimeError):
        late.figures("small 4", _fail)


def test_runs_of_another_version_of_the_package_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "runs.jsonl"
    KeptRuns(file).figures("small off", _run)
    monkeypatch.setattr(kept_runs, "code_digest", lambda: "another")
    with pytest.raises(AssertionError):
        KeptRuns(file).figures("small off", _fail)
