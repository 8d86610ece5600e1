"""Runs the tests of the pure rooms, and measures how many branches they take: `python -m tests.pure_coverage`.

Exit status 1 if a test fails or a room is under the limit. Only the unit tests of the rooms are run: they are quick,
and they take almost the same branches each time, unlike the property tests. `sh deploy/start tests` runs the others
afterwards, with `pytest --without-pure-rooms`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOMS = (
    "admission",
    "control",
    "recognition",
    "engines",
    "wire",
    "coordination/protocol",
    "lab/engine",
)
"""Packages without I/O, clock and event loop; the import rules in pyproject.toml keep them so."""
LEAST = 0.95
"""Share of a room's branches that its tests must take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCoverage:
    """What the tests reach of one room."""

    room: str
    branches: int
    taken: int
    missed: tuple[str, ...]
    """`file: line -> line`, for each branch that no test takes."""

    @property
    def share(self) -> float:
        """Branches taken, of all; 1 for a room without branches."""
        return self.taken / self.branches if self.branches else 1.0


def room_coverage(room: str, files: Mapping[str, Mapping[str, object]]) -> RoomCoverage:
    """The room's sum over `files`, which is the `files` object of coverage.py's JSON report."""
    branches = taken = 0
    missed: list[str] = []
    for name, file in files.items():
        summary, lines = file["summary"], file["missing_branches"]
        if name.startswith(f"concur_proxy/{room}/") and isinstance(summary, dict) and isinstance(lines, list):
            branches += summary["num_branches"]
            taken += summary["covered_branches"]
            missed += [f"{name}: {first} -> {'exit' if last < 0 else last}" for first, last in lines]
    return RoomCoverage(room=room, branches=branches, taken=taken, missed=tuple(missed))


def folders_of_tests(rooms: Sequence[str]) -> list[str]:
    """The folders with the tests of these rooms, relative to the repository."""
    return [f"tests/{room}" for room in rooms]


def measure(rooms: Sequence[str], folder: Path, *, processes: int) -> dict[str, Mapping[str, object]] | None:
    """Run the rooms' tests under coverage.py; None when one fails. `folder` takes the data files."""
    data = f"--data-file={folder / 'coverage'}"
    source = ",".join(f"concur_proxy.{room.replace('/', '.')}" for room in rooms)
    tests = ["-m", "pytest", "-q", "-n", str(processes), *folders_of_tests(rooms)]
    run = ["run", "--branch", data, f"--source={source}", *tests]
    if subprocess.run([sys.executable, "-m", "coverage", *run], check=False).returncode != 0:
        return None
    report = folder / "report.json"
    subprocess.run([sys.executable, "-m", "coverage", "combine", data, "-q"], check=True)
    subprocess.run([sys.executable, "-m", "coverage", "json", data, "-q", "-o", str(report)], check=True)
    files: dict[str, Mapping[str, object]] = json.loads(report.read_text())["files"]
    return files


def main() -> int:
    """Measure, print one line for each room, and return the exit status."""
    with TemporaryDirectory() as folder:
        files = measure(ROOMS, Path(folder), processes=os.cpu_count() or 1)
    if files is None:
        return 1
    found = [room_coverage(room, files) for room in ROOMS]
    for room in found:
        print(f"{room.room:22} {room.share:6.1%} of {room.branches} branches")
    short = [room for room in found if room.share < LEAST]
    for room in short:
        print(f"\n{room.room} is under {LEAST:.0%}. No test of tests/{room.room} takes:", *room.missed, sep="\n  ")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
