"""Keeps the figures of runs in a file, so that a long benchmark can be run in pieces."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

Figures = TypeVar("Figures")


class _Line(msgspec.Struct, frozen=True):
    code: str
    run: str
    figures: msgspec.Raw


class OutOfTimeError(Exception):
    """No run may begin any more."""


class KeptRuns(Generic[Figures]):
    """Runs each run once, also over several starts of the benchmark and in several processes.

    A line of the file is one run. A run counts only for the code that it measured, see `fingerprint`. If there are
    several, the last one counts.
    """

    def __init__(self, path: Path | None, kind: type[Figures], *, ends_at: float | None = None) -> None:
        """`path`: None keeps the runs in memory. `kind` is the type of a run's figures, which msgspec can encode.
        `ends_at`: the clock time, seconds, after which no run begins.
        """
        self._path = path
        self._ends_at = ends_at
        self._found: dict[tuple[str, str], Figures] = {}
        for text in path.read_bytes().splitlines() if path is not None and path.exists() else ():
            with suppress(msgspec.MsgspecError):  # figures of another kind
                line = msgspec.json.decode(text, type=_Line)
                self._found[line.run, line.code] = msgspec.json.decode(line.figures, type=kind)

    def known(self, run: str, code: str) -> Figures | None:
        """The figures of the run with this name, if it was made with this code."""
        return self._found.get((run, code))

    def figures(self, run: str, code: str, make: Callable[[], Figures]) -> Figures:
        """The figures of the run with this name and code. `make` runs it if they are not known. Raises
        `OutOfTimeError`.
        """
        found = self.known(run, code)
        if found is not None:
            return found
        if self._ends_at is not None and time.time() > self._ends_at:
            raise OutOfTimeError
        found = self._found[run, code] = make()
        if self._path is not None:
            line = _Line(code, run, msgspec.Raw(msgspec.json.encode(found)))
            with self._path.open("ab", buffering=0) as file:  # one write for each line, so that processes can share it
                file.write(msgspec.json.encode(line) + b"\n")
        return found
