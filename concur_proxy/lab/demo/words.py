"""The sentences that the demo prints, as functions of its results."""

from collections import Counter
from collections.abc import Sequence

from concur_proxy.control.phrasing import count, percent
from concur_proxy.lab.demo.course import Course
from concur_proxy.lab.demo.display import RunResult
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.virtual import VirtualTimes
from concur_proxy.lab.demo.workload import Kind, Workload
from concur_proxy.telemetry.recognition import GUIDE

EQUAL = 1.05
"""Total times that differ by less than this factor are called the same."""
NO_WAIT_S = 0.05


def introduction(options: DemoOptions) -> str:
    """Says which fleet will run, and where."""
    load = options.workload
    where = options.engine or "an emulated engine"
    numbers = Counter(load.kind_of(number) for number in range(load.agents))
    kinds = [f"{numbers[kind]} {_of_kind(kind, load)}" for kind in Kind if numbers[kind]]
    fleet = f"{load.agents} agents with {load.turns} turns each, all started at once, on {where}"
    return f"{fleet}: {', '.join(kinds)}."


def _of_kind(kind: Kind, load: Workload) -> str:
    if kind is Kind.FAMILY:
        return f"with {load.children} sub-agents each"
    return str(kind.value)


def virtual_verdict(times: VirtualTimes) -> str:
    """Says how long the fleet takes in virtual time."""
    return f"In virtual time the fleet takes {_totals(times.uncontrolled_s, times.controlled_s)}."


def plan(options: DemoOptions, virtual: VirtualTimes | None, scale: float) -> str:
    """Announces the live runs and how long they take."""
    if virtual is None:
        return f"Live against {options.engine}:"
    seconds = (virtual.uncontrolled_s + virtual.controlled_s) / scale
    return f"Live over HTTP, sped up {scale:g}x; this takes about {duration(seconds)}:"


def fell_behind(scale: float, problem: str) -> str:
    """Says why the live runs are repeated at a lower time scale."""
    return f"This machine does not keep up at {scale:g}x: {problem}."


def live_verdict(runs: Sequence[RunResult], void: str | None) -> str:
    """Says how long the live runs took, or why they cannot be compared."""
    if void is not None:
        return f"The live comparison is void: {void}."
    free, controlled = runs
    scale = controlled.time_scale
    speed = "" if scale == 1 else f" (sped up {scale:g}x)"
    return (
        f"Live over HTTP on this machine{speed} the fleet took "
        f"{_totals(free.makespan_s * scale, controlled.makespan_s * scale)}."
    )


def lessons(courses: Sequence[Course], *, is_live: bool) -> list[str]:
    """Says in three sentences what happened without control and with it. Nothing if nothing can be compared."""
    if not courses:
        return []
    free, controlled = courses
    where = "" if is_live else ", in virtual time"
    hits = f"{_share(free.hit_rate)} of the prompt tokens without control, {_share(controlled.hit_rate)}"
    free_s, controlled_s = _seconds(free.turn_p50_s), _seconds(controlled.turn_p50_s)
    turns = f"half of the turns took more than {free_s} without control, and more than {controlled_s}"
    return [
        f"Cache hits{where}: {hits} through the gateway.",
        f"Recomputed{where}: {_recomputed(free, controlled)}",
        f"Waits{where}: {turns} through the gateway{_longest(controlled)}.",
    ]


def next_step(options: DemoOptions) -> str:
    """Says what to do after the demo."""
    engine = options.engine or "http://YOUR-ENGINE:8000"
    return f"Next: concur-proxy serve --engine {engine}, and point your agents at it. How they are recognised: {GUIDE}."


def _recomputed(free: Course, controlled: Course) -> str:
    if free.recomputed_tokens is None or controlled.recomputed_tokens is None:
        return "not known, because the engine's answers do not report cached tokens."
    return (
        f"{count(free.recomputed_tokens)} tokens without control, {count(controlled.recomputed_tokens)} through the "
        "gateway. The engine had computed them before, and no longer had them."
    )


def _longest(controlled: Course) -> str:
    if controlled.longest_wait_s is None:
        return ""
    if controlled.longest_wait_s < NO_WAIT_S:
        return ", where no agent waited for its place"
    return f", where no agent waited longer than {_seconds(controlled.longest_wait_s)} for its place"


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else percent(value)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def run_name(law: str | None) -> str:
    """A run's title. `law` is None for the run without control."""
    return "no control" if law is None else f"through concur-proxy ({law})"


def compared(ratio: float) -> str:
    """Compares two total times in words, such as "1.8x faster". `ratio` is the time without control divided by the time
    with control.
    """
    if ratio >= EQUAL:
        return f"{ratio:.1f}x faster"
    if ratio <= 1 / EQUAL:
        return f"{1 / ratio:.1f}x slower"
    return "no difference"


def duration(seconds: float) -> str:
    """A duration in words, rounded: "45 s" or "2 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _totals(free_s: float, controlled_s: float) -> str:
    return (
        f"{free_s:.0f} s without control and {controlled_s:.0f} s through the gateway: "
        f"{compared(free_s / controlled_s)}"
    )
