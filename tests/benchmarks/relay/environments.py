"""Environments of their own for what the gateway is compared with."""

import subprocess
import sys
from pathlib import Path


def installed(package: str, folder: Path, *, source: str | None = None, python: str = sys.executable) -> Path | None:
    """The environment with this package in the folder, made now if it is not there. None if it cannot be installed.

    `source` is what pip installs if the package is not on PyPI: a folder, or `git+https://...`. `python` is the
    interpreter of a new environment.
    """
    environment = folder / package
    if not (environment / "installed").exists():
        for command in (
            [python, "-m", "venv", str(environment)],
            [str(environment / "bin" / "python"), "-m", "pip", "-q", "install", source or package],
        ):
            if subprocess.run(command, check=False, stdout=2).returncode:
                return None
        (environment / "installed").touch()
    return environment
