import subprocess
import sys

import pytest

from concur_proxy.cli import main as command
from concur_proxy.cli import serve


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    return caught.value.code


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_each_command(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(flag) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in command.COMMANDS)


@pytest.mark.parametrize("name", command.COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: concur-proxy {name} ")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("concur-proxy ")


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    shown = capsys.readouterr().err
    assert "commands:" in shown
    assert shown.endswith("concur-proxy: error: no command given\n")


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("serv", "concur-proxy: error: unknown command serv: did you mean serve?\n"),
        ("xyz", "concur-proxy: error: unknown command xyz: it is one of serve, engine, simulate, demo, agents\n"),
        ("--port", "concur-proxy: error: unknown command --port: it is one of serve, engine, simulate, demo, agents\n"),
    ],
)
def test_an_unknown_command_is_one_line(word: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(word) == 2
    assert capsys.readouterr().err == line


def test_ctrl_c_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "main", interrupted)
    assert run("serve") == 130
    assert capsys.readouterr().err == ""


def test_help_imports_no_server() -> None:
    script = (
        "import sys\n"
        "from concur_proxy.cli.main import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(sorted({'uvicorn', 'fastapi', 'httpx', 'rich'} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
