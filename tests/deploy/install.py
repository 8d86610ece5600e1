"""Tries each way to install that deploy/docs/guides/install.md names, in an environment of its own.

python -m tests.deploy.install [uv] [pipx] [wheel] [sdist] [source]    default: all

Needs the network. uv and pipx are installed into an environment of their own first, if they are not there. Each way
must give a `concur-proxy` that shows its version, accepts settings, and simulates.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.deploy.release import ROOT, version

CHECKS = (("--version",), ("check-config", "--engine", "http://localhost:8000"), ("simulate", "--law", "off"))


class Machine:
    """A folder in which everything is installed, as if it were a user's home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
        }
        self.environment |= {
            "HOME": str(folder),
            "PIPX_HOME": str(folder / "pipx"),
            "PIPX_BIN_DIR": str(folder / ".local" / "bin"),
            "UV_TOOL_DIR": str(folder / "uv"),
            "UV_TOOL_BIN_DIR": str(folder / ".local" / "bin"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def run(self, *command: str | Path) -> str:
        """What the command prints; raises `CalledProcessError` if it fails."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def venv(self, name: str) -> Path:
        """The folder of programs of a new virtual environment."""
        self.run(sys.executable, "-m", "venv", name)
        return self.folder / name / "bin"

    def tool(self, name: str) -> Path:
        """The program of this name, installed if it is not there."""
        if found := shutil.which(name):
            return Path(found)
        programs = self.venv(f"for-{name}")
        self.run(programs / "pip", "install", "--quiet", name)
        return programs / name

    def built(self, kind: str) -> Path:
        """The package of this kind, a wheel or an sdist."""
        programs = self.venv("for-building")
        self.run(programs / "pip", "install", "--quiet", "hatchling")
        self.run(
            "sh", "-c", f'cd "{ROOT}" && "{programs}/hatchling" build --target {kind} --directory "{self.folder}/dist"'
        )
        (package,) = (self.folder / "dist").iterdir()
        return package


def with_uv(machine: Machine) -> Path:
    """`uv tool install .`"""
    machine.run(machine.tool("uv"), "tool", "install", "--quiet", "--python", sys.executable, ROOT)
    return machine.folder / ".local" / "bin"


def with_pipx(machine: Machine) -> Path:
    """`pipx install .`"""
    machine.run(machine.tool("pipx"), "install", "--quiet", "--python", sys.executable, ROOT)
    return machine.folder / ".local" / "bin"


def with_wheel(machine: Machine) -> Path:
    """`pip install dist/concur_proxy-VERSION-py3-none-any.whl`"""
    return _with_pip(machine, machine.built("wheel"))


def with_sdist(machine: Machine) -> Path:
    """`pip install dist/concur_proxy-VERSION.tar.gz`"""
    return _with_pip(machine, machine.built("sdist"))


def with_source(machine: Machine) -> Path:
    """`pip install .`"""
    return _with_pip(machine, ROOT)


def _with_pip(machine: Machine, package: Path) -> Path:
    programs = machine.venv("venv")
    machine.run(programs / "pip", "install", "--quiet", package)
    return programs


WAYS: Mapping[str, Callable[[Machine], Path]] = {
    "uv": with_uv,
    "pipx": with_pipx,
    "wheel": with_wheel,
    "sdist": with_sdist,
    "source": with_source,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Install in each way, and use what is installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.install", description="Tries each way to install")
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"one of {', '.join(WAYS)} (default: all)")
    ways = parser.parse_args(arguments).ways or list(WAYS)
    if unknown := set(ways) - WAYS.keys():
        parser.error(f"there is no way {', '.join(unknown)}: choose from {', '.join(WAYS)}")
    for way in ways:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"concur-{way}-") as folder:
            machine = Machine(Path(folder))
            program = WAYS[way](machine) / "concur-proxy"
            installed_s = time.monotonic() - began
            printed = [machine.run(program, *check) for check in CHECKS]
        assert printed[0] == f"concur-proxy {version(ROOT)}\n", printed[0]
        print(f"{way}: installed in {installed_s:.0f} s, and works", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
