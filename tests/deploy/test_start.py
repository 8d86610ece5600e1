"""What `deploy/start` says and runs. Scripts replace the tools of its environment and note how they were called.

`sh deploy/start tests`, which runs these tests, is itself the test with the real tools.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from concur_proxy.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
TOOL = """\
#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >>calls
case "$*" in *tests.changed) cat changed ;; esac
! grep -q -x "$(basename "$0") $*" failing
"""
IN_PARALLEL = "pytest -n 4 --dist worksteal"
CODE_CHECKS = ["ruff check", "ruff format --check", "mypy ", "lint-imports "]

needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("redis-server", "promtool", "chromedriver", "chromium", "openssl")),
    reason="needs the programs that the tests start: `sh deploy/start tests` installs them",
)


class Checkout:
    """A copy of `deploy/start` with an environment that looks installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("deploy", "tests", ".venv/bin"):
            (root / folder).mkdir(parents=True)
        for name in ("deploy/start", "deploy/packages.sh"):
            shutil.copy(ROOT / name, root / name)
        for name in ("pyproject.toml", "requirements.lock", "tests/requirements.lock", "calls", "changed", "failing"):
            (root / name).touch()
        for tool in ("concur-proxy", "ruff", "mypy", "lint-imports", "pytest", "python"):
            (root / ".venv/bin" / tool).write_text(TOOL)
            (root / ".venv/bin" / tool).chmod(0o755)
        state = 'cksum pyproject.toml tests/requirements.lock && printf "%s\\n" "$PWD"'
        installed = subprocess.run(["sh", "-c", state], cwd=root, capture_output=True, text=True, check=True).stdout
        (root / ".venv/.installed").write_text(installed)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "deploy/start", *arguments]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHON"}
        return subprocess.run(
            command,
            cwd=self.root,
            env={**inherited, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_the_usage_names_each_command(checkout: Checkout) -> None:
    done = checkout.run("--help")
    assert done.returncode == 0
    groups = re.findall(r"sh deploy/start ([a-z-]+(?: \| [a-z-]+)*)", done.stdout)
    assert {name for group in groups for name in group.split(" | ")} == {*COMMANDS, "check", "tests", "pythons"}
    assert checkout.run().stdout == done.stdout


def test_a_python_that_is_missing_or_too_old_is_one_line(checkout: Checkout, tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    shutil.rmtree(checkout.root / ".venv")
    for python in (str(old), str(tmp_path / "missing")):
        done = checkout.run("status", PYTHON=python)
        assert done.returncode == 1
        assert done.stderr == f"deploy/start: PYTHON={python} is not a Python 3.11 or later\n"


def test_a_command_is_passed_on(checkout: Checkout) -> None:
    assert checkout.run("serve", "--engine", "http://gpu:8000").returncode == 0
    assert checkout.calls == ["concur-proxy serve --engine http://gpu:8000"]


@needs_tools
def test_all_checks_are_run_and_their_tests_get_the_arguments(checkout: Checkout) -> None:
    done = checkout.run("tests", "--durations=10", "tests/cli")
    assert done.returncode == 0
    assert done.stderr == "deploy/start: all checks passed\n"
    tests = f"{IN_PARALLEL} --without-pure-rooms --durations=10 tests/cli"
    assert checkout.calls == [*CODE_CHECKS, "python -m tests.pure_coverage", tests]


@needs_tools
def test_a_check_that_fails_is_named_and_stops_no_other(checkout: Checkout) -> None:
    (checkout.root / "failing").write_text("ruff format --check\npython -m tests.pure_coverage\n")
    done = checkout.run("tests")
    assert done.returncode == 1
    assert done.stderr == "deploy/start: failed: ruff format --check, python -m tests.pure_coverage\n"
    assert checkout.calls[-1] == f"{IN_PARALLEL} --without-pure-rooms"


@needs_tools
def test_the_quick_check_runs_the_tests_of_what_changed(checkout: Checkout) -> None:
    (checkout.root / "changed").write_text("tests/a/test_b.py\ntests/test_c.py\n")
    assert checkout.run("check", "-x").returncode == 0
    tests = "pytest -q tests/a/test_b.py tests/test_c.py -x"
    assert checkout.calls == [*CODE_CHECKS, "python -m tests.changed", tests]


@needs_tools
def test_the_quick_check_runs_no_tests_when_nothing_changed(checkout: Checkout) -> None:
    done = checkout.run("check")
    assert done.returncode == 0
    assert "no tests to run" in done.stderr
    assert not [call for call in checkout.calls if call.startswith("pytest")]


@needs_tools
def test_each_installed_python_runs_the_tests(checkout: Checkout, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for number in (11, 12, 13, 14):
        python = programs / f"python3.{number}"
        is_there = number in {12, 14}
        python.write_text(f"#!/bin/sh\necho 3.{number}\nexit {0 if is_there else 1}\n")
        python.chmod(0o755)
        if is_there:
            venv = checkout.root / f".venv-3.{number}"
            shutil.copytree(checkout.root / ".venv", venv)
            shutil.copy(python, venv / "bin/python")
    failing = checkout.root / ".venv-3.14/bin/pytest"
    failing.write_text("#!/bin/sh\nexit 1\n")
    done = checkout.run("pythons", "-x", PATH=f"{programs}:{os.environ['PATH']}")
    assert checkout.calls == [f"{IN_PARALLEL} -x"]
    assert done.stderr.splitlines()[-2:] == [
        "deploy/start: tested on Python 3.12, 3.14; not installed: 3.11, 3.13",
        f"deploy/start: failed: {IN_PARALLEL} -x on Python 3.14",
    ]
