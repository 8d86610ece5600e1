import argparse
from collections.abc import Callable

import pytest

from concur_proxy.cli.parser import CommandParser, number, positive_number, time_span, token_count, whole_number


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (whole_number(), "0", 0),
        (whole_number(1, 10), "10", 10),
        (number, "-1.5", -1.5),
        (positive_number, "1e-3", 0.001),
    ],
)
def test_numbers(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (whole_number(), "-1", "must be a whole number, 0 or more, not '-1'"),
        (whole_number(1), "0", "must be a whole number, 1 or more, not '0'"),
        (whole_number(0, 65535), "65536", "must be a whole number between 0 and 65535, not '65536'"),
        (whole_number(), "1.0", "must be a whole number, 0 or more, not '1.0'"),
        (number, "nan", "must be a number, not 'nan'"),
        (number, "x", "must be a number, not 'x'"),
        (positive_number, "0", "must be more than 0, not 0"),
        (token_count(1024), "1k", "must be a whole number or a size such as 64k, 1024 or more, not '1k'"),
        (token_count(), "many", "must be a whole number or a size such as 64k, 0 or more, not 'many'"),
        (time_span, "0m", "must be more than 0, not 0m"),
        (time_span, "5 min", "must be a number of seconds, or a time such as 90s, 5m or 1h30m, not '5 min'"),
    ],
)
def test_a_wrong_number_is_refused(read: Callable[[str], float], text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        read(text)
    assert str(caught.value) == message


def test_a_number_can_have_a_unit() -> None:
    assert (token_count(1024)("64k"), time_span("5m")) == (64_000, 300)


def test_every_unknown_argument_is_reported_without_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser("p", usage="", description="")
    parser.add_argument("--port")
    with pytest.raises(SystemExit) as caught:
        parser.read(["--prot", "80", "--zzzzz=1", "junk", "--port", "3"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "p: error: unknown argument --prot: did you mean --port?",
        "p: error: unknown argument --zzzzz=1: see p --help",
        "p: error: unknown argument junk: see p --help",
    ]


def test_help_keeps_long_names_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    parser = CommandParser("p", usage="", description="")
    parser.add_argument("--x", help="headers x-session-id, x-claude-code-session-id, x-litellm-session-id")
    text = parser.format_help()
    assert all(name in text for name in ("x-session-id", "x-claude-code-session-id", "x-litellm-session-id"))
