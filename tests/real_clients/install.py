"""Installs the clients, each group into an environment of its own."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.real_clients.clients import Client

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_FOLDER = REPOSITORY / ".venv-clients"
LIMIT_S = 600
"""For the installation of one environment."""


class NotInstalled(Exception):  # noqa: N818 - it is a fact about this machine
    """A client could not be installed here; the text says why."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A client that can be run."""

    command: Sequence[str]
    """Starts its loop."""
    path: str
    """Folder with its programs, for `PATH`."""
    version: str


def install(client: Client, others: Iterable[Client], folder: Path) -> Installed:
    """Install a client and the others of its environment, if they are missing. Raises `NotInstalled`."""
    if client.missing:
        raise NotInstalled(client.missing)
    home = folder / client.environment
    packages = sorted({name for each in others if each.environment == client.environment for name in each.packages})
    mark = home / "installed.txt"
    if not mark.exists() or mark.read_text().split() != packages:
        (_install_npm if client.npm else _install_pip)(home, packages)
        mark.write_text("\n".join(packages))
    path = home / "node_modules" / ".bin" if client.npm else home / "bin"
    return Installed(_command(client, home), str(path), _version(client, home))


def _command(client: Client, home: Path) -> Sequence[str]:
    loop, *arguments = client.loop
    if loop.endswith(".mjs"):
        # Node looks for packages next to the file
        copied = shutil.copy(Path(__file__).parent / "loops" / loop, home)
        return ("node", str(copied), *arguments)
    python = sys.executable if client.npm else str(home / "bin" / "python")
    return (python, "-m", f"tests.real_clients.loops.{loop}", *arguments)


def _install_pip(home: Path, packages: Sequence[str]) -> None:
    if not (home / "bin" / "python").exists():
        venv.create(home, with_pip=True, clear=True)
    _run(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages)


def _install_npm(home: Path, packages: Sequence[str]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), *packages)


def _run(*command: str) -> None:
    print("+", *command, file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except FileNotFoundError:
        raise NotInstalled(f"there is no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"the installation took more than {LIMIT_S} s") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if "rror" in line] or ["no reason given"]
        raise NotInstalled(lines[0].strip()[:160])


def _version(client: Client, home: Path) -> str:
    """The version of the client's first package."""
    package = client.packages[0]
    if client.npm:
        name = package if package.rfind("@") < 1 else package[: package.rfind("@")]
        asked = f"require('{home}/node_modules/{name}/package.json').version"
        command = ["node", "-p", asked]
    else:
        name = package.partition("[")[0].partition("=")[0]
        command = [
            str(home / "bin" / "python"),
            "-c",
            f"from importlib.metadata import version as v; print(v('{name}'))",
        ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    return done.stdout.strip() or "unknown"
