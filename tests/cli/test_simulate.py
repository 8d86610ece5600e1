import json
from pathlib import Path

import pytest

from concur_proxy.cli.simulate import main
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenarios import SCENARIOS

QUICK = ["few-agents", "--jobs", "1"]


def test_it_compares_laws(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*QUICK, "--law", "off", "--law", "tokens:factor=0.9", "--law", "best-static"]) == 0
    shown = capsys.readouterr().out
    assert "few-agents" in shown
    assert "tokens:factor=0.9" in shown
    assert "best-static, " in shown
    assert "recom-" in shown
    assert "fair-" in shown
    assert "…" not in shown


def test_a_long_name_takes_no_room_from_the_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    law = "concur_proxy.control.laws.static:build:window=6"
    assert main([*QUICK, "--law", law, "--law", f"{law}0"]) == 0
    shown = capsys.readouterr().out
    assert "recom-" in shown
    assert "first" in shown
    assert "…" not in shown


def test_the_window_alone_can_be_compared(tmp_path: Path) -> None:
    times = []
    for flags in ([], ["--no-work-conserving"]):
        path = tmp_path / f"{len(flags)}.json"
        law = ["--law", "concur_proxy.control.laws.static:build:window=1"]
        assert main([*QUICK, *law, *flags, "--json", str(path)]) == 0
        times.append(json.loads(path.read_text())[0]["makespan_s"])
    assert times[1] > 2 * times[0], "one session after the other"


def test_it_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in [*SCENARIOS, *POLICIES, "best-static"])


def test_it_writes_numbers_and_a_chart_and_explains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers, drawing = tmp_path / "x.json", tmp_path / "x.svg"
    flags = ["--capacity-tokens", "60000", "--law", "tokens", "--seeds", "2", "--explain", "--idle-lease", "5"]
    assert main([*QUICK, *flags, "--json", str(numbers), "--svg", str(drawing)]) == 0
    results = json.loads(numbers.read_text())
    assert [result["seed"] for result in results] == [1, 2]
    assert results[0]["makespan_s"] > 0
    assert results[0]["courses"][0][0]["kind"] == "hold"
    assert drawing.read_text().startswith("<svg")
    assert "few-agents, tokens, seed 1, engine 0" in capsys.readouterr().out


def test_a_shorter_lease_makes_places_go_round(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for lease in ("1", "100"):
        flags = ["--capacity-tokens", "60000", "--law", "tokens", "--idle-lease", lease]
        assert main([*QUICK, *flags]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] != shown[1]


def test_it_replays_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.jsonl"
    line = {"session": "a", "at": 0, "prompt_tokens": 10, "completion_tokens": 5, "duration_s": 1}
    path.write_text(json.dumps(line))
    assert main(["--trace", str(path), "--law", "off", "--jobs", "1"]) == 0
    assert "mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "there is no scenario 'nowhere'"),
        (["--law", "reno"], "there is no law 'reno'"),
        (["--law", "reno.build"], "best-static; or write an import path with a colon, reno:build"),
        (["--law", "builtins:dict"], "dict has no window"),
        (["--set", "speed=9"], "--set speed=9: no law has this option: it knows factor, minimum,"),
        (["--set", "mniimum=9"], "--set mniimum=9: no law has this option: did you mean minimum? (off, aimd, tokens)"),
        (["--law", "tokens:factor=7"], "options must keep 0 < minimum <= factor <= maximum"),
        (["--trace", "/no/such/file"], "cannot be read"),
        (["--json", "/no/such/folder/x.json"], "cannot be written"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--jobs", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("concur-proxy simulate: error: ")
    assert says in line


def test_every_unknown_option_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", "speed=1", "--set", "mniimum=9"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
