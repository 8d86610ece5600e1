"""Installing packages with the real apt-get and dpkg, in a system of their own under a temporary folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "deploy" / "packages.sh"
CONTROL = """\
Package: tiny
Version: 1
Architecture: all
Maintainer: Tests <tests@example.org>
Description: nothing
"""
APT = """\
Dir::Etc::sourcelist "{0}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "{0}/lists";
Dir::State::status "{0}/root/var/lib/dpkg/status";
Dir::Cache "{0}/cache";
Dpkg::Options {{ "--root={0}/root"; }};
"""

pytestmark = pytest.mark.skipif(
    shutil.which("apt-get") is None or os.getuid() != 0, reason="needs apt-get, and root to run dpkg"
)


@pytest.fixture(name="system")
def _system(tmp_path: Path) -> Path:
    """A system without packages, and a repository with one."""
    for folder in ("repository/tiny/DEBIAN", "lists/partial", "cache/archives/partial", "root/var/lib/dpkg/info"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg/updates").mkdir()
    (tmp_path / "root/var/lib/dpkg/status").touch()
    repository = tmp_path / "repository"
    (repository / "tiny/DEBIAN/control").write_text(CONTROL)
    subprocess.run(["dpkg-deb", "--build", "tiny", "tiny.deb"], cwd=repository, check=True, capture_output=True)
    content = (repository / "tiny.deb").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    index = f"{CONTROL}Filename: ./tiny.deb\nSize: {len(content)}\nSHA256: {digest}\n"
    (repository / "Packages").write_text(index)
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    (tmp_path / "apt.conf").write_text(APT.format(tmp_path))
    return tmp_path


@contextmanager
def installing(system: Path, package: str = "tiny", wait_s: int = 60) -> Iterator[subprocess.Popen[str]]:
    """`install_package`, as `deploy/start` calls it."""
    script = f'set -eu; . "{PACKAGES}"; apt_wait_s={wait_s}; install_package {package} "which this test needs"'
    environment = {**os.environ, "APT_CONFIG": str(system / "apt.conf")}
    with subprocess.Popen(["sh", "-c", script], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def is_installed(system: Path) -> bool:
    return "Status: install ok installed" in (system / "root/var/lib/dpkg/status").read_text()


def test_a_package_is_installed(system: Path) -> None:
    with installing(system) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == "deploy/start: installing the package tiny, which this test needs\n"
    assert is_installed(system)


LOCKS = ["lists/lock", "root/var/lib/dpkg/lock-frontend", "root/var/lib/dpkg/lock", "cache/archives/lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_it_waits_for_another_package_manager(name: str, system: Path) -> None:
    with (system / name).open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with installing(system) as process:
            assert process.stderr is not None
            process.stderr.readline()
            waiting = process.stderr.readline()
            assert waiting.startswith("deploy/start: waiting up to 60 s for another package manager: ")
            assert f"{system / name}" in waiting
            assert not is_installed(system)
            fcntl.lockf(lock, fcntl.LOCK_UN)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert is_installed(system)


def test_it_does_not_wait_for_ever(system: Path) -> None:
    with (system / LOCKS[0]).open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with installing(system, wait_s=1) as process:
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Could not get lock" in errors
    assert errors.endswith("deploy/start: could not install tiny: install it, then try again\n")


def test_another_error_is_shown_at_once(system: Path) -> None:
    with installing(system, package="no-such-package") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "E: Unable to locate package no-such-package" in errors
    assert "waiting" not in errors
