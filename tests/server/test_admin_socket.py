"""The socket of the admin API in a real process, which uses uvloop."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from concur_proxy.cli import serve
from concur_proxy.server.listen import open_admin
from concur_proxy.settings.admin_listen import AdminAddress, default_address, parse_admin_listen
from tests.cli.test_serve import NOWHERE, gateway


def test_by_default_it_is_near_the_main_port_and_announced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with gateway("--engine", NOWHERE, "--port", str(port)) as (process, url):
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        near = port + 1000 if port + 1000 < 65_536 else port - 1000
        assert line == f"concur-proxy has its admin API and live page on http://127.0.0.1:{near}/concur/"
        assert "live" in httpx.get(line.split()[-1], trust_env=False).text
        assert httpx.get(f"{url}/concur/", trust_env=False).status_code == 403


def test_if_that_port_is_taken_any_other_will_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open_admin(AdminAddress(host="127.0.0.1", port=port, may_move=True)) as opened:
            assert opened.getsockname()[1] != port
        with pytest.raises(OSError, match="in use"):
            open_admin(AdminAddress(host="127.0.0.1", port=port))


def test_an_address_that_cannot_be_had_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "missing" / "admin.sock"
    assert serve.main(["--engine", NOWHERE, "--port", "0", "--admin-listen", f"unix:{path}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"--admin-listen unix:{path}: cannot listen there: no such file or directory")


def test_a_unix_socket_serves_its_owner_names_it_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with gateway("--engine", NOWHERE, "--admin-listen", f"unix:{path}") as (process, _):
        assert process.stdout is not None
        assert process.stdout.readline().split()[-1] == f"unix:{path}"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost") as admin:
            body = {"engine": NOWHERE, "sessions": 3}
            assert admin.put("/concur/v1/window", json=body).status_code == 200
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert f"admin call by unix socket, user {os.getuid()}: PUT /concur/v1/window" in errors
    assert not path.exists()


def test_the_file_of_a_process_that_was_killed_is_replaced_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    address = AdminAddress(path=tmp_path / "admin.sock")
    open_admin(address).close()
    with open_admin(address), pytest.raises(OSError, match="in use"):
        open_admin(address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9300", AdminAddress(host="127.0.0.1", port=9300)),
        ("[::1]:0", AdminAddress(host="::1", port=0)),
        ("localhost:1", AdminAddress(host="localhost", port=1)),
        ("unix:/run/a", AdminAddress(path=Path("/run/a"))),
        ("auto", None),
        ("main", None),
        ("none", None),
    ],
)
def test_how_an_address_is_written(text: str, address: AdminAddress | None) -> None:
    assert parse_admin_listen(text) == address
    assert address is None or address.is_local


@pytest.mark.parametrize(
    "text", ["", "9300", ":9300", "unix:", "unix:a", "h:99999", "h:1/", "a@h:1", "http://h:1", "h"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an address such as"):
        parse_admin_listen(text)


@pytest.mark.parametrize(("port", "near"), [(8300, 9300), (64_536, 63_536), (65_535, 64_535), (0, 0)])
def test_the_default_is_a_valid_port(port: int, near: int) -> None:
    assert default_address(port).port == near
