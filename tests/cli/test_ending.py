"""How real commands end: at Ctrl-C, with a closed pipe, on a full disk, and what they write into a file."""

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.cli.terminal import CTRL_C, on_terminal
from tests.cli.test_serve import NOWHERE, gateway

PYTHON = [sys.executable, "-m", "concur_proxy"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def gateway_url() -> Iterator[str]:
    with gateway("--engine", NOWHERE, "--admin-listen", "main") as (_, url):
        yield url


def _into_closed_pipe(*arguments: str) -> subprocess.CompletedProcess[str]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [*PYTHON, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        ("--help", ""),
        ("check-config --engine http://gpu", "1"),
        ("key research", ""),
        ("simulate --list", "1"),
        ("simulate few-agents --jobs 2", ""),
        ("status --url GATEWAY", ""),
        ("top --url GATEWAY", ""),
        ("demo --agents 4 --turns 2", ""),
    ],
)
def test_a_closed_pipe_ends_a_command_without_a_traceback(
    command: str, unbuffered: str, gateway_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = _into_closed_pipe(*command.replace("GATEWAY", gateway_url).split())
    assert done.returncode == 141
    assert [line for line in done.stderr.splitlines() if not line.startswith("key of")] == []


def test_a_server_goes_on_when_nobody_reads_where_it_listens() -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        [*PYTHON, "engine", "--port", "0"], stdout=writer, stderr=subprocess.PIPE, text=True
    ) as engine:
        os.close(writer)
        url = os.read(reader, 1000).decode().split()[-1]
        os.close(reader)
        with urllib.request.urlopen(f"{url}/health") as answer:  # noqa: S310 - our own process
            assert answer.status == 200
        engine.terminate()
        assert engine.communicate(timeout=30)[1] == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*PYTHON, "check-config", "--engine", "http://gpu"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    says = "concur-proxy check-config: error: the output cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (1, says)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _into_file(path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with path.open("w") as file:
        env = {**os.environ, "FORCE_COLOR": "", "TERM": "xterm"}
        return subprocess.Popen([*PYTHON, *arguments], stdout=file, stderr=subprocess.STDOUT, env=env)


def test_a_demo_in_a_file_is_plain_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with _into_file(path, "demo", "--agents", "8") as demo:
        _until(lambda: "requests in flight" in path.read_text())
        demo.terminate()
        assert demo.wait(30) == 143
    lines = path.read_text().splitlines()
    assert not any(map(CONTROL.search, lines))
    assert re.match(r"through concur-proxy \(tokens\): \d+ s, \d+ of \d+ turns, \d+ requests in flight", lines[-1])


def test_top_in_a_file_appends_what_it_reads(tmp_path: Path, gateway_url: str) -> None:
    path = tmp_path / "log"
    with _into_file(path, "top", "--url", gateway_url, "--interval", "0.05") as top:
        _until(lambda: len(re.findall(r"^\d\d:\d\d:\d\d$", path.read_text(), re.MULTILINE)) >= 3)
        top.terminate()
        assert top.wait(30) == 143
    assert not CONTROL.search(path.read_text())


def test_a_simulation_in_a_file_is_plain_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with _into_file(path, "simulate", "few-agents", "--jobs", "1") as simulation:
        assert simulation.wait(60) == 0
    assert not CONTROL.search(path.read_text())


@pytest.mark.parametrize("presses", [1, 3])
@pytest.mark.parametrize(
    ("command", "ready"),
    [
        ("engine --port 0", "listens on"),
        (f"serve --engine {NOWHERE} --port 0", "live page on"),
        (f"agents {NOWHERE}", "lists no models yet"),
        ("simulate base --seeds 200 --jobs 2", "simulating"),
        ("demo", "requests in flight"),
    ],
)
def test_ctrl_c_ends_a_command_without_a_traceback(command: str, ready: str, presses: int) -> None:
    with on_terminal(*command.split()) as terminal:
        terminal.await_text(ready)
        for _ in range(presses):
            terminal.press(CTRL_C)
            time.sleep(0.1)  # signals of one kind that come at once are one
        status = terminal.end()
    assert status in ({130} if presses == 1 else {130, -2}), terminal.text
    assert "Traceback" not in terminal.text
    assert "Exception" not in terminal.text
    assert "Error" not in terminal.text.replace("ConnectError: All connection attempts failed", "")


class _Slow(BaseHTTPRequestHandler):
    """An engine that begins an answer and never ends it."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"{")
        self.server.began.set()  # type: ignore[attr-defined]
        self.server.over.wait(60)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_ctrl_c_twice_cuts_off_answers_in_flight_without_a_traceback() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as engine:
        engine.began, engine.over = threading.Event(), threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        flags = ("--engine", f"http://127.0.0.1:{engine.server_address[1]}", "--port", "0")
        with on_terminal("serve", *flags) as terminal:
            terminal.await_text("live page on")
            found = re.search(r"listens on (\S+)", terminal.text)
            assert found
            client = threading.Thread(target=_ask, args=(f"{found[1]}/v1/chat/completions",), daemon=True)
            client.start()
            assert engine.began.wait(30)  # type: ignore[attr-defined]
            terminal.press(CTRL_C)
            terminal.await_text("Waiting for connections to close")
            terminal.press(CTRL_C)
            assert terminal.end() == 130
            client.join(30)
        engine.over.set()  # type: ignore[attr-defined]
        engine.shutdown()
    assert "interrupted twice: 1 answers in flight are cut off" in terminal.text
    assert "Traceback" not in terminal.text


def _ask(url: str) -> None:
    with suppress(httpx.HTTPError):
        httpx.post(url, json={"model": "m", "messages": []}, timeout=60, trust_env=False)
