"""The flags of `simulate` that compare goals and window sizes."""

import pytest

from concur_proxy.cli.simulate import main


def test_goals_are_compared_with_the_law_that_has_a_window_in_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["few-agents", "--law", "off", "--law", "tokens", "--jobs", "1"]
    goals = ["--goal", "throughput", "--goal", "balanced", "--first-token-target-s", "30s"]
    assert main([*arguments, *goals]) == 0
    shown = capsys.readouterr().out
    assert "tokens, balanced" in shown
    assert "30 s" in shown
    assert shown.count("off") == 1


def test_every_cap_is_one_row_and_compared_with_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["few-agents", "--law", "off", "--windows", "--jobs", "1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    relative = {row[0]: row[2] for row in rows if row and row[0] in {"off", "static-4", "static-96"}}
    assert (relative["off"], relative["static-96"]) == ("1.00", "1.00")
    assert float(relative["static-4"]) > 1


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--first-token-target-s", "30"], "choose a --goal that has a target"),
        (["--goal", "throughput", "--first-token-target-s", "30"], "choose a --goal that has a target"),
        (["--windows", "--law", "best-static"], "leave one of them out"),
        (["--goal", "fast"], "invalid choice"),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["few-agents", *flags])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
