"""The demo on a terminal: progress while a fleet runs, and the table at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from concur_proxy.control.phrasing import count
from concur_proxy.lab.demo.course import Course
from concur_proxy.lab.demo.fleet import Progress
from concur_proxy.lab.demo.watch import Watch

_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One live run of the fleet. Times are real seconds: multiply them by `time_scale` for the engine's seconds."""

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
    """Largest number of sessions that were admitted at once; None without control."""
    time_scale: float = 1.0
    engine_lag: float | None = None
    """How much too long the engine's steps took, as a share; None for a real engine."""
    turn_lag: float = 0.0
    """How much too long agents and gateway made a turn, as a share of the shortest turn."""
    virtual_s: float | None = None
    """Total time of the same run in virtual time, in the engine's seconds; None for a real engine."""
    course: Course | None = None
    """What happened in it, in the engine's seconds."""


class LiveView:
    """Shows one run while it lasts; rich renders it at every refresh."""

    def __init__(self, title: str, progress: Progress, watch: Watch) -> None:
        self._title = title
        self._progress = progress
        self._watch = watch

    def __rich__(self) -> RenderableType:
        """What is shown now."""
        progress, rates = self._progress, self._watch.rates
        bar = ProgressBar(total=progress.total_turns, completed=progress.turns, width=40)
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(self._title, "bold"),
            bar,
            f"{progress.turns}/{progress.total_turns} turns",
            f"{progress.elapsed_s:5.1f} s",
        )
        lines = [f"  requests in flight {progress.in_flight:>4}"]
        if rates is not None:
            batch = f"running {_number(rates.running)}, waiting {_number(rates.waiting)}"
            lines.append(f"  engine: {batch}, hit rate {_percent(rates.hit_rate)}")
        lines.append(f"  KV usage {sparkline(self._watch.usage)} {_percent(rates.kv_usage if rates else None)}")
        if self._watch.gateway:
            lines += self._gateway_lines()
        return Group(row, *(Text(line) for line in lines))

    @property
    def line(self) -> str:
        """What is known now, in one line."""
        progress, rates = self._progress, self._watch.rates
        parts = [f"{progress.turns} of {progress.total_turns} turns", f"{progress.in_flight} requests in flight"]
        if rates is not None:
            parts.append(f"cache hits {_percent(rates.hit_rate)}, cache used {_percent(rates.kv_usage)}")
        return f"{self._title}: {progress.elapsed_s:.0f} s, {', '.join(parts)}"

    def _gateway_lines(self) -> list[str]:
        gateway, active = self._watch.gateway, self._watch.active
        highest = max(active, default=1.0) or 1.0
        states = {"active": "admitted", "paused": "idle", "queued": "waiting"}
        counts = ", ".join(f"{word} {gateway.get(state, 0):g}" for state, word in states.items())
        return [f"  admitted {sparkline([number / highest for number in active])}", f"  sessions: {counts}"]


def table(results: Sequence[RunResult]) -> Table:
    """The runs side by side, in the engine's seconds."""
    table = Table(title="The same fleet, twice")
    table.add_column("")
    for result in results:
        table.add_column(result.name, justify="right")
    rows: dict[str, Callable[[RunResult], str]] = {
        "total time": lambda result: f"{result.makespan_s * result.time_scale:.0f} s",
        "total time, virtual": lambda result: "-" if result.virtual_s is None else f"{result.virtual_s:.0f} s",
        "prefix hit rate": lambda result: _percent(result.hit_rate),
        "tokens recomputed": lambda result: _tokens(result.course),
        "preemptions": lambda result: _number(result.preemptions),
        "turn p50": lambda result: f"{result.p50_turn_s * result.time_scale:.1f} s",
        "turn p99, waiting included": lambda result: f"{result.p99_turn_s * result.time_scale:.1f} s",
        "longest wait for a place": lambda result: _wait(result.course),
        "most sessions admitted": lambda result: _number(result.most_active),
        "lag of this machine": lambda result: _percent(max(result.engine_lag or 0.0, result.turn_lag)),
    }
    for name, cell in rows.items():
        table.add_row(name, *map(cell, results))
    return table


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The last `width` of `values` as bars; each value is between 0 and 1."""
    levels = [min(max(value, 0.0), 1.0) for value in values[-width:]]
    return "".join(_BARS[round(level * (len(_BARS) - 1))] for level in levels).ljust(width)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _tokens(course: Course | None) -> str:
    return "-" if course is None or course.recomputed_tokens is None else count(course.recomputed_tokens)


def _wait(course: Course | None) -> str:
    return "-" if course is None or course.longest_wait_s is None else f"{course.longest_wait_s:.1f} s"
