"""The tables of a soak."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.replicas.tally import Failure
from tests.soak.faults import Fault
from tests.soak.watch import GROWTH, Watch

FAULTS_HEAD = (
    "| at, s | fault | errors seen by clients | forced | not forced | recovery, s |\n|---:|---|---:|---:|---:|---:|"
)
SLOPES_HEAD = """\
| gateway | watched, s | RSS, MB | RSS, MB/h | files | files/h | tasks | tasks/h |
|---|---:|---:|---:|---:|---:|---:|---:|"""


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


def slope_rows(watch: Watch) -> list[str]:
    """How memory, files and tasks of each process changed after its warm-up."""
    return [
        f"| {name} | {samples[-1].at - samples[0].at:.0f} | {samples[-1].rss_mb:.0f} | {by['MB']:+.1f}"
        f" | {samples[-1].files} | {by['files']:+.0f} | {samples[-1].tasks} | {by['tasks']:+.0f} |"
        for (name, by), samples in zip(watch.slopes().items(), watch.samples.values(), strict=True)
    ]


def rules(watch: Watch) -> list[str]:
    """A row for each rule."""
    head = ["| what must hold | held |", "|---|---|"]
    verdicts = {rule: "no" if found else "yes" for rule, found in watch.broken.items()}
    if not watch.is_long:
        verdicts[GROWTH] = "too short to say"
    return head + [f"| {rule} | {verdict} |" for rule, verdict in verdicts.items()]
