"""The tables of a soak."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.soak.agents import Failure
from tests.soak.faults import Fault
from tests.soak.watch import Sample, Watch

FAULTS_HEAD = (
    "| at, s | fault | errors seen by clients | forced | not forced | recovery, s |\n|---:|---|---:|---:|---:|---:|"
)
SLOPES_HEAD = """\
| gateway | watched, s | RSS, MB | RSS, MB/h | files | files/h | tasks | tasks/h |
|---|---:|---:|---:|---:|---:|---:|---:|"""
WARM_UP = 0.25
"""The part of a process's samples that does not count for a slope."""

VALUES: tuple[Callable[[Sample], float], ...] = (lambda s: s.rss_mb, lambda s: s.files, lambda s: s.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffered:
    """A fault, and what clients saw."""

    fault: Fault
    at_s: float
    failures: Sequence[Failure]
    recovery_s: float | None

    @property
    def unforced(self) -> list[Failure]:
        """Failures that a gateway could have prevented."""
        return [failure for failure in self.failures if not self.fault.forces(failure)]

    def row(self) -> str:
        """A row of the table."""
        recovery = "never" if self.recovery_s is None else f"{self.recovery_s:.1f}"
        seen, unforced = len(self.failures), len(self.unforced)
        return f"| {self.at_s:.0f} | {self.fault.name} | {seen} | {seen - unforced} | {unforced} | {recovery} |"


def slope(values: Sequence[tuple[float, float]]) -> float:
    """Least squares: the change of a value in an hour, by pairs of seconds and value; 0 for fewer than two."""
    mean_x = sum(x for x, _ in values) / max(1, len(values))
    mean_y = sum(y for _, y in values) / max(1, len(values))
    spread = sum((x - mean_x) ** 2 for x, _ in values)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in values) / spread if spread else 0.0


def slope_row(name: str, samples: Sequence[Sample]) -> str:
    """How memory and files of one process changed after its warm-up."""
    late = samples[int(len(samples) * WARM_UP) :]
    rss, files, tasks = ([(s.at, float(of(s))) for s in late] for of in VALUES)
    return (
        f"| {name} | {samples[-1].at - samples[0].at:.0f} | {samples[-1].rss_mb:.0f} | {slope(rss):+.1f}"
        f" | {samples[-1].files} | {slope(files):+.0f} | {samples[-1].tasks} | {slope(tasks):+.0f} |"
    )


def rules(watch: Watch) -> list[str]:
    """A row for each rule."""
    head = ["| what must hold | held |", "|---|---|"]
    return head + [f"| {rule} | {'no' if found else 'yes'} |" for rule, found in watch.broken.items()]
