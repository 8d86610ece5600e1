"""The sentences that the demo prints, as functions of its results."""

from collections.abc import Sequence

from concur_proxy.lab.demo.display import RunResult
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.virtual import VirtualTimes

EQUAL = 1.05
"""Total times that differ by less than this factor are called the same."""


def introduction(options: DemoOptions) -> str:
    """Says which fleet will run, and where."""
    load = options.workload
    where = options.engine or "an emulated engine"
    return f"{load.agents} agents with {load.turns} turns each, all started at once, on {where}."


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
