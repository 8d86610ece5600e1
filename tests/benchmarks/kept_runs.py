"""Keeps the figures of runs in a file, so that a long benchmark can be run in pieces."""

import hashlib
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec

import concur_proxy
from concur_proxy.lab.simulation.result import Result


class Figures(msgspec.Struct, frozen=True):
    """What is kept of a run, see `Result`."""

    open_s: float
    served_mean_s: float
    hit_rate: float
    busy_s: float

    @classmethod
    def of(cls, result: Result) -> "Figures":
        """The figures of a result."""
        return cls(result.open_s, result.served_mean_s, result.hit_rate, result.busy_s)


class _Line(msgspec.Struct, frozen=True):
    code: str
    run: str
    figures: Figures


class OutOfTimeError(Exception):
    """No run may begin any more."""


class KeptRuns:
    """Runs each run once, also over several starts of the benchmark and in several processes.

    A line of the file is one run. Lines of other versions of the package do not count.
    """

    def __init__(self, path: Path | None, *, ends_at: float | None = None) -> None:
        """`path`: None keeps the runs in memory. `ends_at`: the clock time, seconds, after which no run begins."""
        self._path = path
        self._ends_at = ends_at
        self._code = code_digest()
        self._found: dict[str, Figures] = {}
        if path is not None and path.exists():
            decoder = msgspec.json.Decoder(_Line)
            lines = (decoder.decode(text) for text in path.read_bytes().splitlines())
            self._found = {line.run: line.figures for line in lines if line.code == self._code}

    def figures(self, run: str, make: Callable[[], Result]) -> Figures:
        """The figures of the run with this name, which `make` runs if they are not known. Raises `OutOfTimeError`."""
        found = self._found.get(run)
        if found is not None:
            return found
        if self._ends_at is not None and time.time() > self._ends_at:
            raise OutOfTimeError
        found = self._found[run] = Figures.of(make())
        if self._path is not None:
            with self._path.open("ab", buffering=0) as file:  # one write for each line, so that processes can share it
                file.write(msgspec.json.encode(_Line(self._code, run, found)) + b"\n")
        return found


@cache
def code_digest() -> str:
    """Changes with any source file of the package."""
    root = Path(concur_proxy.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
