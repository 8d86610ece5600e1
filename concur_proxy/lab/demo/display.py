"""The demo on a terminal: live progress while a fleet runs, and the comparison at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from concur_proxy.lab.demo.fleet import Progress
from concur_proxy.lab.demo.watch import Watch

_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run of the fleet."""

    name: str
    makespan_s: float
    """Seconds from the first request to the last answer."""
    hit_rate: float | None
    preemptions: float | None
    turns: int
    failures: int
    p50_turn_s: float
    p99_turn_s: float
    most_active: float | None
    """Sessions that were active at once at most; None where nothing controlled them."""


class LiveView:
    """Renders one run as it goes on; rich asks again at every refresh."""

    def __init__(self, title: str, progress: Progress, watch: Watch) -> None:
        self._title = title
        self._progress = progress
        self._watch = watch

    def __rich__(self) -> RenderableType:
        """The present state."""
        progress, rates = self._progress, self._watch.rates
        bar = ProgressBar(total=progress.total_turns, completed=progress.turns, width=40)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(self._title, "bold"),
            bar,
            f"{progress.turns}/{progress.total_turns} turns",
            f"{progress.elapsed_s:5.1f} s",
        )
        lines = [f"  requests on their way {progress.waiting:>4}"]
        if rates is not None:
            batch = f"running {_number(rates.running)}, waiting {_number(rates.waiting)}"
            lines.append(f"  engine: {batch}, hit rate {_share(rates.hit_rate)}")
        lines.append(f"  KV usage {sparkline(self._watch.usage)} {_share(rates.kv_usage if rates else None)}")
        if self._watch.gateway:
            lines += self._gateway_lines()
        return Group(row, *(Text(line) for line in lines))

    def _gateway_lines(self) -> list[str]:
        gateway, active = self._watch.gateway, self._watch.active
        highest = max(active, default=1.0) or 1.0
        states = ", ".join(f"{state} {gateway.get(state, 0):g}" for state in ("active", "paused", "queued"))
        return [f"  active   {sparkline([number / highest for number in active])}", f"  sessions {states}"]


def comparison(results: Sequence[RunResult]) -> Table:
    """The runs side by side; the ratio is of the first run's makespan to each."""
    table = Table(title="The same fleet, twice")
    table.add_column("")
    for result in results:
        table.add_column(result.name, justify="right")
    rows: dict[str, Callable[[RunResult], str]] = {
        "makespan": lambda result: f"{result.makespan_s:.1f} s",
        "ratio": lambda result: f"{results[0].makespan_s / result.makespan_s:.2f}x",
        "prefix hit rate": lambda result: _share(result.hit_rate),
        "preemptions": lambda result: _number(result.preemptions),
        "turn p50": lambda result: f"{result.p50_turn_s:.2f} s",
        "turn p99, holds included": lambda result: f"{result.p99_turn_s:.2f} s",
        "most sessions active": lambda result: _number(result.most_active),
    }
    for name, cell in rows.items():
        table.add_row(name, *map(cell, results))
    return table


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The last `width` of `values`, each 0 to 1, as bars."""
    levels = [min(max(value, 0.0), 1.0) for value in values[-width:]]
    return "".join(_BARS[round(level * (len(_BARS) - 1))] for level in levels).ljust(width)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
