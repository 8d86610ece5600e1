"""Messages of `deploy/start` before it installs anything. Running these tests runs the rest of the script."""

import os
import re
import subprocess
from pathlib import Path

from concur_proxy.cli.main import COMMANDS

START = Path(__file__).parents[2] / "deploy" / "start"


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(START), *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_usage_names_each_command() -> None:
    done = start("--help")
    assert done.returncode == 0
    groups = re.findall(r"sh deploy/start ([a-z-]+(?: \| [a-z-]+)*)", done.stdout)
    assert {name for group in groups for name in group.split(" | ")} == {*COMMANDS, "check", "tests", "pythons"}
    assert start().stdout == done.stdout


def test_a_python_that_is_missing_or_too_old_is_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "checkout" / "deploy"
    copy.mkdir(parents=True)
    for name in ("start", "packages.sh"):
        (copy / name).write_text((START.parent / name).read_text())
    for lock in ("requirements.lock", "pyproject.toml"):
        (copy.parent / lock).touch()
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), str(tmp_path / "missing")):
        command = ["sh", str(copy / "start"), "status"]
        done = subprocess.run(
            command, env={**os.environ, "PYTHON": python}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert done.stderr == f"deploy/start: PYTHON={python} is not a Python 3.11 or later\n"
