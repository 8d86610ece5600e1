"""Runs one arm under one load: an engine, the gateway in front of it, a warm-up, and the fleet."""

import asyncio
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles

from concur_proxy.lab.demo.workload import Script
from tests.benchmarks.peers.arms import DIRECT, arm, nameless
from tests.benchmarks.peers.engines import Open
from tests.benchmarks.peers.figures import Run
from tests.benchmarks.peers.fleet import Fleet, Seen
from tests.benchmarks.peers.loads import Load
from tests.benchmarks.process import cpu_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all arms."""

    seed: int
    environments: Path
    """The folder of the peers' environments."""
    most_s: float
    """An arm is stopped after this time."""
    kept: Path
    """The file of the runs that are known."""
    ends_at: float | None = None
    """The clock time after which no arm begins, seconds."""
    at_once: int = 1
    """Arms that may run at the same time."""


def measure(load: Load, name: str, settings: Settings, *, open_engine: Open, cap: int, version: str = "") -> Run:
    """One arm of one load. `version` is that of the peer."""
    with ExitStack() as stack:
        engine = stack.enter_context(open_engine())
        way_to = arm(
            name,
            cap=cap,
            calibration=engine.calibration,
            environments=settings.environments,
            is_real=engine.is_real,
        )
        if not load.has_names:
            way_to = replace(way_to, name=nameless, release_path="")
        way = stack.enter_context(way_to.open(engine.port))

        def run(scripts: Sequence[Script], *, says_end: bool) -> Seen:
            fleet = Fleet(
                f"http://127.0.0.1:{way.port}",
                engine.model,
                way_to.name,
                says_end=says_end,
                release_path=way_to.release_path,
            )
            return asyncio.run(fleet.run(scripts, most_s=settings.most_s))

        run(load.warm_up(), says_end=load.has_names)
        before, cpu_before = engine.read(), sum(map(cpu_seconds, way.pids()))
        seen = run(load.scripts(settings.seed), says_end=load.says_end)
        after, cpu_after = engine.read(), sum(map(cpu_seconds, way.pids()))
    change = {key: after[key] - before[key] for key in after}
    asked, hits = change["vllm:prefix_cache_queries_total"], change["vllm:prefix_cache_hits_total"]
    return Run(
        arm=name,
        makespan_s=seen.makespan_s,
        hits=hits / asked,
        computed_tokens=asked - hits,
        busy=None if engine.is_real else change["due_s"] / seen.makespan_s,
        first_token_s=_percentiles(seen.first_token_s),
        session_s=_percentiles(seen.session_s),
        finished=seen.finished,
        agents=seen.agents,
        errors=seen.errors,
        first_error=seen.first_error,
        cpu_s=None if name == DIRECT else cpu_after - cpu_before,
        lag=None if engine.is_real else max(0.0, change["late_s"] / change["due_s"]),
        model=engine.model,
        note=f"{cap} sessions" if cap else "",
        version=version,
        commit=_commit(),
        at_once=settings.at_once,
    )


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    if len(values) < 2:
        return (0.0, 0.0)
    cuts = quantiles(values, n=100, method="inclusive")
    return (cuts[49], cuts[98])


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()
