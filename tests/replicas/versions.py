"""The code of another version of the gateway, in a folder of its own, and the command that starts a process from it."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from concur_proxy.coordination.redis.link import PROTOCOL

ROOT = Path(__file__).parents[2]
BEFORE = "ad625481fd97ae583dc461aa1558558b36e8215b"
"""The commit from which an upgrade is tested by default."""

Launcher = tuple[str, ...]
"""A command that runs another one: see `Server`."""


class NoSuchVersion(Exception):  # noqa: N818 - says what happened
    """The commit is not in this clone."""


def version_of(commit: str, folder: Path) -> Launcher:
    """Write the package as it was in this commit into the folder. Raises `NoSuchVersion`."""
    command = ["git", "archive", commit, "concur_proxy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise NoSuchVersion(f"{commit}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return _launcher(folder)


def with_another_protocol(folder: Path) -> Launcher:
    """Copy this package into the folder, with a protocol that no other version has."""
    shutil.copytree(ROOT / "concur_proxy", folder / "concur_proxy", ignore=shutil.ignore_patterns("__pycache__"))
    link = folder / "concur_proxy" / "coordination" / "redis" / "link.py"
    text = link.read_text()
    assert f"\nPROTOCOL = {PROTOCOL}\n" in text
    link.write_text(text.replace(f"\nPROTOCOL = {PROTOCOL}\n", f"\nPROTOCOL = {PROTOCOL + 1000}\n"))
    return _launcher(folder)


def _launcher(folder: Path) -> Launcher:
    return ("env", "-C", str(folder), f"PYTHONPATH={folder}")
