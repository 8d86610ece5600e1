import re
from pathlib import Path

import pytest

from concur_proxy.cli.report import main
from tests.lab.recorded.recordings import CROWDED, record


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_it_reports_what_control_would_have_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, html = record(tmp_path / "day.jsonl", CROWDED), tmp_path / "report.html"
    assert main([str(path), "--html", str(html)]) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "fitting the engine's speeds",
        "replaying without control",
        "replaying with control",
    ]
    shown = re.sub(r"\s+", " ", printed.out)
    assert "Control would have saved" in shown
    assert shown.endswith('Use mode = "enforce" (--mode enforce). ')
    assert "Control would have saved" in html.read_text()


def test_a_recording_without_the_cache_size_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path / "day.jsonl", CROWDED)
    path.write_text(re.sub(r', "capacity_tokens": \d+', "", path.read_text()))
    assert main([str(path)]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "give --capacity-tokens" in shown
    assert "were computed again: above a tenth, control is worth trying" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give either a recording or --prometheus URL"),
        (["x.jsonl", "--prometheus", "http://localhost"], "give either"),
        (["missing.jsonl"], "missing.jsonl: cannot be read"),
        (["x.jsonl", "--html", "/no/such/folder/x.html"], "cannot be written"),
        (["--prometheus", "http://127.0.0.1:1"], "no Prometheus answers"),
        (["--prometheus", "ftp://host"], "ftp://host/: no Prometheus answers"),
        (["--prometheus", "http://host:port"], "--prometheus http://host:port"),
    ],
)
def test_a_wrong_use_is_reported_in_a_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    problem = capsys.readouterr().err.strip().splitlines()
    assert len(problem) == 1
    assert says in problem[0]


@pytest.mark.parametrize("since", ["24", "0h", "1.5h", "1w", "99999d"])
def test_since_is_a_time(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--prometheus", "http://localhost", "--since", since])
    assert "must be a time such as 90m, 24h or 7d" in capsys.readouterr().err
