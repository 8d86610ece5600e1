import pytest

from concur_proxy.cli.flags import SECTIONS, add_flags, flag_of, read_flags
from concur_proxy.cli.parser import CommandParser
from concur_proxy.plugins import LAWS, available
from concur_proxy.settings.gateway import GatewaySettings


def parser() -> CommandParser:
    made = CommandParser("serve", usage="", description="")
    add_flags(made)
    return made


def flags(*arguments: str) -> dict[str, object]:
    return read_flags(parser().read(arguments))


def test_each_setting_stands_in_one_section() -> None:
    listed = [name for section in SECTIONS.values() for name in section]
    assert sorted(listed) == sorted(GatewaySettings.model_fields)


def test_each_setting_has_a_flag_and_its_description_in_the_help() -> None:
    text = parser().format_help()
    for name, field in GatewaySettings.model_fields.items():
        assert flag_of(name) in text
        assert field.description, f"{name} lacks a description"


def test_the_help_names_each_law() -> None:
    assert f"raises and lowers the window: {', '.join(available(LAWS))} (default tokens)" in " ".join(
        parser().format_help().split()
    )


def test_only_what_is_given_counts() -> None:
    assert flags() == {}


def test_each_kind_of_flag() -> None:
    given = flags(
        *("--engine", "http://a", "--engine=http://b", "--port", "80", "--no-work-conserving", "--ask-usage"),
        *("--set", "alpha=1", "--set", "note=a=b", "--session-headers", "x-a,x-b", "--session-headers", "x-c"),
        *("--allow-paths", "GET,POST /x", "--idle-lease", "3"),
    )
    assert given == {
        "engine": ["http://a", "http://b"],
        "port": "80",
        "work_conserving": False,
        "ask_usage": True,
        "law_options": {"alpha": "1", "note": "a=b"},
        "session_headers": ["x-a", "x-b", "x-c"],
        "allow_paths": ["GET,POST /x"],
        "idle_lease": "3",
    }


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--set", "alpha"], "serve: error: --set: write it as name=value, not 'alpha'\n"),
        (["--set", "=1"], "serve: error: --set: write it as name=value, not '=1'\n"),
        (["--port"], "serve: error: --port: expected one argument\n"),
        (["--prot", "1"], "serve: error: unknown argument --prot: did you mean --port?\n"),
        (["--zzz"], "serve: error: unknown argument --zzz: see serve --help\n"),
        (["--max-hold", "3"], "serve: error: unknown argument --max-hold: did you mean --max-hold-s?\n"),
        (["http://a"], "serve: error: unknown argument http://a: see serve --help\n"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        flags(*arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err == line
