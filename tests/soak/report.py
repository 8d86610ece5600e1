"""The tables of a soak."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.replicas.tally import Failure, Tally
from tests.soak.faults import Fault
from tests.soak.health import Health, summary
from tests.soak.slopes import slopes
from tests.soak.watch import GROWTH, SHARES, Watch

FAULTS_HEAD = """\
| at, s | fault | lasted, s | what clients saw | forced | not forced | answers meanwhile | recovery, s | settled, s |
|---:|---|---:|---|---:|---:|---:|---:|---:|"""
SLOPES_HEAD = """\
| gateway | watched, s | RSS, MB | RSS, MB/h | files | files/h | tasks | tasks/h |
|---|---:|---:|---:|---:|---:|---:|---:|"""
SEEN = {"refused": "refused", "broken": "no answer", "cut": "cut answers", "invalid": "invalid answers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffered:
    """A fault, and what clients saw."""

    fault: Fault
    at_s: float
    lasted_s: float
    failures: Sequence[Failure]
    meanwhile: float | None
    """Answers per second during the fault, as a share of the usual ones."""
    recovery_s: float | None
    settled_s: float

    @property
    def unforced(self) -> list[Failure]:
        """Failures that a gateway could have prevented."""
        return [failure for failure in self.failures if not self.fault.forces(failure)]

    def row(self) -> str:
        """A row of the table."""
        recovery = "never" if self.recovery_s is None else f"{self.recovery_s:.1f}"
        meanwhile = "" if self.meanwhile is None else f"{100 * self.meanwhile:.0f} %"
        seen, unforced = len(self.failures), len(self.unforced)
        return (
            f"| {self.at_s:.0f} | {self.fault.name} | {self.lasted_s:.0f} | {_seen(self.failures)} | {seen - unforced}"
            f" | {unforced} | {meanwhile} | {recovery} | {self.settled_s:.1f} |"
        )


def _seen(failures: Sequence[Failure]) -> str:
    kinds = Counter(
        f"HTTP {failure.status}" if failure.kind == "status" else SEEN[failure.kind] for failure in failures
    )
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"


def closing(watch: Watch, tally: Tally, health: Health) -> list[str]:
    """What follows the table of faults."""
    return [
        "",
        SLOPES_HEAD,
        *_slope_rows(watch),
        "",
        *_rss_lines(watch),
        "",
        *_share_rows(watch),
        "",
        *_rules(watch),
        "",
        *_notes(tally, health),
    ]


def _slope_rows(watch: Watch) -> list[str]:
    rows = []
    for (name, pid), samples in watch.samples.items():
        by, last = slopes(samples), samples[-1]
        rows.append(
            f"| {name}, pid {pid} | {last.at - samples[0].at:.0f} | {last.rss_mb:.0f} | {by.rss_mb:+.1f}"
            f" | {last.files} | {by.files:+.0f} | {last.tasks} | {by.tasks:+.0f} |"
        )
    return rows


def _rss_lines(watch: Watch) -> list[str]:
    """The memory of each process in the pauses: whether it grows, or jumps with a fault and stays."""
    return [
        f"RSS of {name}, pid {pid}, in the pauses, MB: {', '.join(f'{sample.rss_mb:.0f}' for sample in samples)}."
        for (name, pid), samples in watch.samples.items()
    ]


def _share_rows(watch: Watch) -> list[str]:
    due = watch.shares.due
    rows = [f"| {tenant} | {due[tenant]:.1%} | {share:.1%} |" for tenant, share in watch.shares.shares.items()]
    head = [f"Shares of the weighted tokens while all tenants waited, {watch.shares.seconds:,.0f} engine-seconds:", ""]
    return [*head, "| tenant | due | served |", "|---|---:|---:|", *rows]


def _rules(watch: Watch) -> list[str]:
    """A row for each rule."""
    too_short = {GROWTH: not watch.judge_growth(), SHARES: not watch.judge_shares()}
    rows = []
    for rule, found in watch.broken.items():
        verdict = f"no ({len(found)})" if found else "too short to say" if too_short.get(rule) else "yes"
        rows.append(f"| {rule} | {verdict} |")
    return ["| what must hold | held |", "|---|---|", *rows]


def _notes(tally: Tally, health: Health) -> list[str]:
    answers = ", ".join(f"{tenant} {count:,}" for tenant, count in sorted(tally.by_tenant.items()))
    left = ", ".join(f"{way} {count:,}" for way, count in sorted(tally.left.items()))
    return [
        f"Answers: {answers}. Clients that left: {left}. The longest request took {tally.longest_s:.1f} s.",
        f"Requests without an answer in the end: {len(tally.given_up)}.",
        "",
        f"`/healthz` of the gateways: {summary(health.gateways)}.",
        f"A plain server at the same time: {summary(health.plain)}.",
        f"The gateways' part, which is the difference: {summary(health.excess)}.",
    ]
