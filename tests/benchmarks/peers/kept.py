"""The figures of one arm under one load, and the file that keeps them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One arm of one load. Times are in seconds."""

    load: str
    arm: str
    seed: int
    makespan_s: float
    hits: float
    """Share of prompt tokens that the engine found in its cache."""
    first_token_s: tuple[float, float]
    """p50 and p99."""
    session_s: tuple[float, float]
    """p50 and p99."""
    finished: int
    agents: int
    errors: int
    first_error: str
    cpu_s: float | None
    """CPU time of the gateway's processes; None without a gateway."""
    lag: float | None
    """How much longer the emulated engine's steps took than they should, as a share; None for a real engine."""
    note: str = ""
    commit: str = ""

    @property
    def is_complete(self) -> bool:
        return self.finished == self.agents


class Kept:
    """Runs in a file of JSON lines. The last line of an arm counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs: dict[tuple[str, str, int], Run] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._know(_read(line))

    def get(self, load: str, arm: str, seed: int) -> Run | None:
        """The run, if it has been made."""
        return self._runs.get((load, arm, seed))

    def add(self, run: Run) -> None:
        """Keep a run."""
        self._know(run)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")

    def of(self, load: str, seed: int) -> Sequence[Run]:
        """The runs of a load, in the order in which they were made."""
        return [run for run in self._runs.values() if (run.load, run.seed) == (load, seed)]

    def _know(self, run: Run) -> None:
        self._runs[run.load, run.arm, run.seed] = run


def _read(line: str) -> Run:
    fields: dict[str, Any] = json.loads(line)
    for name in ("first_token_s", "session_s"):
        fields[name] = tuple(fields[name])
    return Run(**fields)
