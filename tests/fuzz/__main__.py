"""Fuzz the readers of requests, answers and metrics: `python -m tests.fuzz --seconds 60 [--keep] [TARGET...]`.

libFuzzer, through atheris, prefers inputs that reach new code. It begins with the corpus. An input that breaks a
promise is written to `tests/fuzz/corpus/TARGET`, so that the suite replays it from then on.
"""

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.budget import BUDGET_MS, costs
from tests.fuzz.targets import CORPUS, TARGETS

ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if no input broke a promise and the CPU budget holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="time for all targets together (default: 60)")
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to the corpus")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all of {', '.join(TARGETS)}")
    options = parser.parse_args(arguments)
    names = options.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"unknown target {min(unknown)}")
    failed = report_costs()
    if find_spec("atheris") is None:
        print("fuzz: atheris is not installed; it has packages for Linux on x86-64 only")
        return 1
    for name in names:
        failed += fuzz(name, max(1, round(options.seconds / len(names))), keep=options.keep)
    return 1 if failed else 0


def report_costs() -> int:
    """Print what a megabyte of input costs each reader; return how many exceed the budget."""
    over = 0
    for name, ms in costs():
        over += ms > BUDGET_MS
        print(f"{name:32} {ms:8.1f} ms a megabyte{'  over the budget' if ms > BUDGET_MS else ''}")
    return over


def fuzz(name: str, seconds: int, *, keep: bool) -> bool:
    """Fuzz one target for this time; return whether an input broke a promise."""
    kept = CORPUS / name
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder, "new")
        new.mkdir()
        failed = _run(name, f"-max_total_time={seconds}", f"-artifact_prefix={kept}/found-", str(new), str(kept))
        if keep and not failed:
            _run(name, "-merge=1", str(kept), str(new))
    return failed


def _run(name: str, *options: str) -> bool:
    command = [sys.executable, "-m", "tests.fuzz.one", name, "-print_final_stats=1", "-timeout=10", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
    print(f"{name:32} {runs:>8} inputs{', FAILED' if done.returncode else ''}")
    if done.returncode:
        print("\n".join([*done.stdout.splitlines()[-20:], *lines[-20:]]))
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
