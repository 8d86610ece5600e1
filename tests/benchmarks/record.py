"""Runs a benchmark and writes what it prints to `deploy/docs/measured/`, with commit, date and machine:

    python -m tests.benchmarks.record tests.benchmarks.admission [--as NAME] [-- BENCHMARK'S ARGUMENTS]

A file of results is only ever written by this command, and only when the benchmark ends by itself. If a rule of the
benchmark did not hold, the file says so, and the exit status is the benchmark's.
"""

import argparse
import inspect
import io
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TextIO

REPOSITORY = Path(__file__).resolve().parents[2]
MEASURED = REPOSITORY / "deploy" / "docs" / "measured"


class _Both(io.StringIO):
    """Keeps what is printed, and prints it."""

    def __init__(self, screen: TextIO) -> None:
        super().__init__()
        self._screen = screen

    def write(self, text: str) -> int:
        self._screen.write(text)
        self._screen.flush()
        return super().write(text)


def record(module: str, arguments: Sequence[str], *, name: str) -> Path:
    """Runs `main(arguments)` of the module and writes its output to the file of this name. Raises `SystemExit` as
    `main` does, after the file is written.
    """
    benchmark = import_module(module)
    before, began = _commit(), datetime.now(UTC)
    printed, missed = _Both(sys.stdout), None
    with redirect_stdout(printed):
        try:
            benchmark.main(arguments)
        except SystemExit as exit_:
            if exit_.code != 1 or not printed.getvalue().strip():
                raise
            missed = exit_
    path = MEASURED / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(benchmark, arguments, printed.getvalue(), commit=before, began=began), encoding="utf-8")
    if missed is not None:
        raise missed
    return path


def page(benchmark: ModuleType, arguments: Sequence[str], printed: str, *, commit: str, began: datetime) -> str:
    """The file: how it was measured, what the benchmark says of itself, and its tables."""
    command = shlex.join(["python", "-m", benchmark.__name__, *map(_without_folders, arguments)])
    title, _, about = (inspect.getdoc(benchmark) or "").partition("\n\n")
    facts = {
        "Command": f"`{command}`",
        "Commit": commit,
        "Date": f"{began:%Y-%m-%d %H:%M} UTC",
        "Machine": machine(),
    }
    head = "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in facts.items())])
    note = "<!-- Written by `python -m tests.benchmarks.record`. Measure again instead of editing. -->"
    name = benchmark.__name__.rpartition(".")[2].replace("_", " ")
    parts = [f"# Measured: {name}", note, head, title, about, printed.strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _without_folders(argument: str) -> str:
    """The argument with an absolute path, also one behind `=`, cut to its last part: a reader does not know the folders
    of the machine that measured.
    """
    name, equals, value = argument.rpartition("=")
    return f"{name}{equals}{Path(value).name}" if value.startswith("/") else argument


def machine() -> str:
    """Processor, usable cores, Python and system, as far as the system tells."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _commit() -> str:
    """The commit that is measured, and whether files differ from it."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "concur_proxy", "tests")
    return f"{commit}, with changes that are not committed" if changed else commit


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> None:
    """Record the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.record", description=__doc__)
    parser.add_argument(
        "module", help="such as tests.benchmarks.admission; it has a main(arguments) that prints Markdown"
    )
    parser.add_argument("--as", dest="name", help="name of the file, without .md (default: the module's)")
    parser.add_argument("arguments", nargs="*", help="the benchmark's own arguments, after --")
    given = parser.parse_args()
    name = given.name or given.module.rpartition(".")[2].replace("_", "-")
    print(f"\nwritten to {record(given.module, given.arguments, name=name).relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
