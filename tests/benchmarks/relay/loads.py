"""The loads of the relay's benchmark, and one measurement of a proxy under one of them."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.process import cpu_seconds

PACED = {"stream": 1, "pace": 20, "events": 500, "warm": 500}
"""Streams of one event each 20 ms, 10 s long. They are open before the measurement begins."""


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do at the same time."""

    settings: dict[str, int]
    """Settings of load.c."""
    pings: bool = False
    """Also ask for a small answer each 2 ms: the longest wait shows how long the proxy's loop stood still."""


LOADS: dict[str, Load] = {
    "4 kB": Load({"connections": 64}),
    "4 kB alone": Load({"connections": 1}),
    "200 kB": Load({"connections": 64, "size": 200_000}),
    "200 kB alone": Load({"connections": 1, "size": 200_000}),
    "64 streams": Load({"connections": 64, **PACED}),
    "256 streams": Load({"connections": 256, **PACED}),
    "flood": Load({"connections": 64, "stream": 1, "events": 200}),
    "4 kB with pings": Load({"connections": 64}, pings=True),
    "200 kB with pings": Load({"connections": 64, "size": 200_000}, pings=True),
    "256 streams with pings": Load({"connections": 256, **PACED}, pings=True),
}
STEPS_S = 50
"""Events a second of a paced stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One measurement. A time is in milliseconds unless its name says otherwise."""

    requests_s: float
    request_cpu_us: float
    p50_ms: float
    p99_ms: float
    events_s: float
    event_cpu_us: float
    on_time: float
    """Part of the events that were due and came within 20 ms of the engine's write."""
    first_byte_ms: float
    """Median time from a stream's request to the first byte of its answer."""
    core: float
    """CPU time of the proxy, as part of the time that passed."""
    pause_ms: float
    """Longest answer time of a ping."""


def measured(program: Path, load: Load, *, port: int, pids: Sequence[int], ping: str, seconds: float) -> Figures:
    """Put the load on the server at `port`, whose processes are `pids`.

    Raises:
        RuntimeError: requests failed.
    """
    settings = {**load.settings, "ms": round(1000 * seconds)}
    arguments = [f"{name}={value}" for name, value in settings.items()] + ([f"ping={ping}"] if load.pings else [])
    with subprocess.Popen([program, str(port), *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        began = process.stdout.readline() and sum(map(cpu_seconds, pids))
        line = process.stdout.readline()
        spent = sum(map(cpu_seconds, pids)) - (began or 0.0)
    if not line or (seen := json.loads(line))["failures"]:
        raise RuntimeError(f"requests failed: {line or 'the load ended early'}")
    requests, events, passed = seen["requests"], seen["events"], seen["seconds"]
    due = load.settings["connections"] * STEPS_S * passed if "pace" in load.settings else max(1, events)
    return Figures(
        requests_s=requests / passed,
        request_cpu_us=1e6 * spent / max(1, requests),
        p50_ms=seen["latency_50"] / 1000,
        p99_ms=seen["latency_99"] / 1000,
        events_s=events / passed,
        event_cpu_us=1e6 * spent / max(1, events),
        on_time=min(1.0, seen["on_time"] / due),
        first_byte_ms=seen["first_50"] / 1000,
        core=spent / passed,
        pause_ms=seen["ping_100"] / 1000,
    )
