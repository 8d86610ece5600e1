import argparse
import dataclasses
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from concur_proxy.admission.goal import Goal
from concur_proxy.cli.report import main as report
from concur_proxy.cli.simulate import main as simulate
from concur_proxy.cli.traces import MEASURE, cache_size, print_verdicts, read_traces
from concur_proxy.lab.recorded.load import WorkingSets
from concur_proxy.lab.simulation.policy import POLICIES, static
from concur_proxy.lab.simulation.suite import Suite, tabulate
from tests.lab.recorded.sessions import BLOCK, answer, session, write

SESSIONS, TURNS, NEW_BLOCKS = 16, 7, 100


def crowded(path: Path) -> Path:
    """Sessions that begin together and grow to 45k tokens each, at an engine of 8,000 prefill tokens a second."""
    turns = []
    for turn in range(TURNS):
        out = 20 + 10 * (turn % 3)
        seconds = 1.0 + 0.02 * out + NEW_BLOCKS * BLOCK / 8000
        turns.append(answer(10.0 * turn, range(NEW_BLOCKS * (turn + 1)), out, api_time=seconds))
    return write(path, *(session(*turns) for _ in range(SESSIONS)))


def test_a_trace_is_compared_by_sessions_and_ends_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = crowded(tmp_path / "crowd.jsonl")
    flags = ["--law", "off", "--law", "tokens", "--pace", "0.1", "--capacity-tokens", "0.2x", "--jobs", "1"]
    assert simulate(["--trace", str(path), *flags]) == 0
    first, *others, last = capsys.readouterr().out.strip().splitlines()
    assert first.startswith("crowd: engine's speeds fitted to the durations of 112 answers; error: half within ")
    text = "\n".join(others)
    assert "112 requests in 16 sessions; times between turns and between sessions x 0.1" in text
    assert "0.2 times the working set of 717k" in text
    assert text.index("session") < text.index("turn\n" if "turn\n" in text else "turn") < text.index("engine")
    assert max(map(len, others)) <= 80
    assert last.startswith("Control would have saved ")
    assert last.endswith('Use mode = "enforce" (--mode enforce).')


def test_the_sentence_names_the_goal_that_was_tried_and_no_cap(tmp_path: Path) -> None:
    loads = read_traces([crowded(tmp_path / "crowd.jsonl")], capacity=WorkingSets(0.2), pace=0.1, show=lambda _: None)
    goal = dataclasses.replace(POLICIES["tokens"], name="tokens, balanced", goal=Goal.BALANCED)
    policies = [POLICIES["off"], goal, static(4)]
    suite = Suite(scenarios=[load.scenario for load in loads], policies=policies, seeds=[1], measure=MEASURE)
    shown = StringIO()
    print_verdicts(Console(file=shown, width=80), tabulate(suite, list(suite.results(1))), policies)
    assert shown.getvalue().endswith("(--mode enforce) with --goal balanced.\n")


def test_a_trace_that_fits_needs_no_control(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crowded(tmp_path / "crowd.jsonl")
    assert (
        simulate(["--trace", str(path), "--law", "off", "--law", "tokens", "--capacity-tokens", "2x", "--jobs", "1"])
        == 0
    )
    assert "Control is not needed: this load fits into the cache; 0 % of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--capacity-tokens", "0.5x"], "only a --trace has a working set"),
        (["--pace", "0.1"], "only a --trace has a pace"),
        (["--trace", "{path}", "--capacity-tokens", "0.01x"], "exceeds the cache"),
    ],
)
def test_a_flag_that_does_not_fit_is_one_line(
    tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crowded(tmp_path / "crowd.jsonl")
    assert simulate([each.format(path=path) for each in arguments]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("concur-proxy simulate: error: ")
    assert says in last


def test_traces_with_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "x.jsonl" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        write(path, session(answer(0, [1])))
    loads = read_traces([*paths, write(tmp_path / "y", session(answer(0, [1])))], capacity=None, pace=1, show=print)
    names = [load.scenario.name for load in loads]
    assert names == [f"1: x of {paths[0]}", f"2: x of {paths[1]}", "y"]


def test_sizes_of_the_cache() -> None:
    assert cache_size("64k") == 64_000
    assert cache_size("0.5x") == WorkingSets(0.5)
    for wrong in ("x", "-1x", "nanx", "1e9x", "12"):
        with pytest.raises(argparse.ArgumentTypeError):
            cache_size(wrong)


def test_report_reads_sessions_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crowded(tmp_path / "crowd.jsonl")
    page = tmp_path / "report.html"
    assert report([str(path), "--capacity-tokens", "300000", "--html", str(page)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "112 in 16 sessions" in shown
    assert "Speeds fitted to the durations of 112 answers" in shown
    assert "Error of the replay" not in shown
    assert "Control would" in shown
    assert "fitted to the durations of 112 answers" in page.read_text()
