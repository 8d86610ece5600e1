import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import fields

import pytest

from concur_proxy.cli import engine
from concur_proxy.lab.server.options import EmulatorOptions


def test_each_option_has_a_flag_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        engine.main(["--help"])
    shown = capsys.readouterr().out
    for field in fields(EmulatorOptions):
        assert f"--{field.name.replace('_', '-')}" in shown
        assert field.metadata["help"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--port", "99999"], "--port: must be a whole number between 0 and 65535, not '99999'"),
        (["--prot", "1"], "unknown argument --prot: did you mean --port?"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        engine.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"concur-proxy engine: error: {problem}\n"


def test_an_address_of_another_machine_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine.main(["--host", "192.0.2.1"]) == 2
    assert capsys.readouterr().err.startswith("concur-proxy engine: error: --host 192.0.2.1: not an address")


def test_it_serves_and_ctrl_c_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "concur_proxy", "engine", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{url}/health") as answer:  # noqa: S310 - our own process
                assert answer.status == 200
            os.kill(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert "Traceback" not in errors
