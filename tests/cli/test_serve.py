import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from concur_proxy.cli import serve

NOWHERE = "http://127.0.0.1:9"


@contextmanager
def gateway(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real gateway process and its URL."""
    command = [sys.executable, "-m", "concur_proxy", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def test_a_wrong_setting_is_one_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["--engine", NOWHERE, "--port", "x"]) == 2
    assert capsys.readouterr().err == "concur-proxy serve: error: --port x: must be a whole number\n"


def test_each_wrong_setting_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["--port", "x", "--law", ""]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert serve.main(["--engine", NOWHERE, "--port", str(port)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"concur-proxy serve: error: port {port} on 127.0.0.1 is in use")


def test_advice_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    serve.main(["--engine", f"{NOWHERE}/v1", "--host", "192.0.2.1"])
    assert capsys.readouterr().err.startswith("concur-proxy serve: warning: engine http://127.0.0.1:9/v1 ends in /v1")


def test_an_untested_uvicorn_is_a_warning_and_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import uvicorn\nuvicorn.__version__ = '9.1.0'\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    with gateway("--engine", NOWHERE) as (process, url):
        with urllib.request.urlopen(f"{url}/healthz") as answer:  # noqa: S310 - our own process
            assert answer.status == 200
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert errors.startswith("concur-proxy serve: warning: uvicorn 9.1.0 was not tested with this gateway: pip install")


def test_it_serves_and_ctrl_c_ends_it_quietly() -> None:
    with gateway("--engine", NOWHERE) as (process, url):
        with urllib.request.urlopen(f"{url}/healthz") as answer:  # noqa: S310 - our own process
            assert answer.status == 200
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'engine = ["{NOWHERE}"]')
    with gateway("--config", str(file)) as (process, url):
        file.write_text("engine = [7]")
        os.utime(file, ns=(1, 1))
        os.kill(process.pid, signal.SIGHUP)
        with urllib.request.urlopen(f"{url}/healthz") as answer:  # noqa: S310 - our own process
            assert answer.status == 200
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert "settings not reloaded, the old ones stay in force: engine = 7 in" in errors
    assert process.returncode == 0
