"""Runs the demo: the fleet in virtual time, then live without control and through the gateway, then the comparison.

Both live runs have the same time scale. If the machine does not keep up, both are repeated at a lower one; if no scale
works, the live comparison is void.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
from rich.console import Console

from concur_proxy.control.phrasing import number_of
from concur_proxy.lab.demo import servers, words
from concur_proxy.lab.demo.course import Course
from concur_proxy.lab.demo.display import LiveView, RunResult, table
from concur_proxy.lab.demo.fleet import AgentFleet, Progress
from concur_proxy.lab.demo.lag import Lag, LagMeter, lower_scale
from concur_proxy.lab.demo.options import DemoOptions, engine_flags
from concur_proxy.lab.demo.show import Show
from concur_proxy.lab.demo.virtual import VirtualTimes, simulate
from concur_proxy.lab.demo.watch import Watch, watch
from concur_proxy.lab.demo.workload import write_scripts
from concur_proxy.lab.simulation.result import percentile

SAMPLE_S = 0.25
DISAGREEMENT = 1.4
"""The live comparison is void if its ratio differs from the virtual one by this factor or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome of a demo."""

    runs: list[RunResult]
    """The live runs, the one without control first. If `void` is set, some may be missing."""
    virtual: VirtualTimes | None
    """None for a real engine."""
    void: str | None
    """Why the live runs cannot be compared; None if they can."""

    @property
    def live(self) -> list[Course]:
        """What happened in the live runs, if they can be compared."""
        return [] if self.void is not None else [run.course for run in self.runs if run.course is not None]

    @property
    def courses(self) -> Sequence[Course]:
        """What happened without control and with it: in the live runs, or in virtual time if they are void. Empty if
        nothing can be compared.
        """
        return self.live or (self.virtual.courses if self.virtual is not None else ())


class _FellBehind(Exception):  # noqa: N818 - the name says what happened
    """The machine did not keep up."""

    def __init__(self, lag: Lag, problem: str) -> None:
        super().__init__(problem)
        self.lag = lag


async def run(options: DemoOptions, console: Console, *, redraws: bool = False) -> Comparison:
    """Run the whole demo. Each live run has a new emulated engine, unless `options.engine` names a real one.

    `redraws`: whether the console is a terminal, where progress can be drawn again and again; otherwise it is a line
    from time to time.
    """
    show = Show(console, redraws=redraws)
    virtual = None if options.engine else simulate(options)
    show.line(words.introduction(options))
    if virtual is not None:
        show.line(words.virtual_verdict(virtual))
    comparison = await _live(options, virtual, show)
    if comparison.runs:
        console.print(table(comparison.runs))
    show.line(words.live_verdict(comparison.runs, comparison.void))
    for sentence in words.lessons(comparison.courses, is_live=bool(comparison.live)):
        show.line(sentence)
    show.line(words.next_step(options))
    return comparison


def write_json(comparison: Comparison, path: Path) -> None:
    """The live runs as a JSON list."""
    rows = [{**asdict(result), "void": comparison.void} for result in comparison.runs]
    path.write_text(json.dumps(rows, indent=2) + "\n")


async def _live(options: DemoOptions, virtual: VirtualTimes | None, show: Show) -> Comparison:
    scale = 1.0 if options.engine else options.time_scale
    while True:
        show.line(words.plan(options, virtual, scale))
        try:
            runs = await _both(options, virtual, scale, show)
        except _FellBehind as behind:
            lower = None if options.engine else lower_scale(scale, first=options.time_scale, lag=behind.lag)
            if lower is None:
                return Comparison(runs=[], virtual=virtual, void=f"this machine is too busy: {behind}")
            show.line(words.fell_behind(scale, str(behind)))
            scale = lower
        else:
            return Comparison(runs=runs, virtual=virtual, void=disagreement(runs, virtual))


async def _both(options: DemoOptions, virtual: VirtualTimes | None, scale: float, show: Show) -> list[RunResult]:
    """Do both live runs at one time scale. The controlled one goes first: it is shorter and keeps more processes busy,
    so a machine that does not keep up is noticed sooner.
    """
    controlled = await _run_once(options, scale, show, controlled=True)
    free = await _run_once(options, scale, show, controlled=False)
    if virtual is None:
        return [free, controlled]
    return [
        replace(free, virtual_s=virtual.uncontrolled_s),
        replace(controlled, virtual_s=virtual.controlled_s),
    ]


def disagreement(runs: list[RunResult], virtual: VirtualTimes | None) -> str | None:
    """Why the runs cannot be compared although the machine kept up; None if they can."""
    free, controlled = runs
    if failures := free.failures + controlled.failures:
        return f"{number_of(failures, 'request')} failed"
    ratio = free.makespan_s / controlled.makespan_s
    if virtual is None or 1 / DISAGREEMENT < ratio / virtual.ratio < DISAGREEMENT:
        return None
    return (
        f"the live result ({words.compared(ratio)}) does not agree with the virtual one "
        f"({words.compared(virtual.ratio)}); something disturbed the live runs"
    )


async def _run_once(options: DemoOptions, scale: float, show: Show, *, controlled: bool) -> RunResult:
    flags = engine_flags(replace(options.emulated, time_scale=scale))
    async with servers.engine_or(options.engine, *flags) as engine_url:
        model = await _first_model(engine_url)
        if not controlled:
            return await _drive(options, scale, show, model=model, engine_url=engine_url, gateway_url=None)
        # The gateway's scrape interval shrinks with the engine's time.
        arguments = ("--law", options.law, "--scrape-interval-s", f"{1.0 / scale:g}", "--log-level", "error")
        async with servers.gateway(engine_url, *arguments) as gateway_url:
            return await _drive(options, scale, show, model=model, engine_url=engine_url, gateway_url=gateway_url)


async def _drive(
    options: DemoOptions, scale: float, show: Show, *, model: str, engine_url: str, gateway_url: str | None
) -> RunResult:
    """Run the fleet. Raises `_FellBehind` if the machine did not keep up."""
    name = words.run_name(options.law if gateway_url else None)
    scripts = write_scripts(options.workload)
    fleet = AgentFleet(base_url=gateway_url or engine_url, model=model, scripts=scripts, time_scale=scale)
    meter, seen = LagMeter(options, scale, fleet.progress), Watch(time_scale=scale)
    emulated_url = None if options.engine else engine_url
    watching = asyncio.create_task(watch(seen, engine_url=engine_url, gateway_url=gateway_url, interval_s=SAMPLE_S))
    metering = asyncio.create_task(meter.watch(emulated_url=emulated_url, gateway_url=gateway_url, interval_s=SAMPLE_S))
    running = asyncio.create_task(fleet.run())
    try:
        with show.view(LiveView(name, fleet.progress, seen)) as printing:
            await asyncio.wait((running, metering, printing), return_when=asyncio.FIRST_COMPLETED)
            for task in (running, metering, printing):
                if task.done():
                    task.result()
            if running.done():
                await asyncio.sleep(2 * SAMPLE_S)  # the last samples must see the last answers
    finally:
        for task in (watching, metering, running):
            task.cancel()
        await asyncio.gather(watching, metering, running, return_exceptions=True)
    lag = meter.lag
    if problem := lag.problem:
        raise _FellBehind(lag, problem)
    return _result(name, scale, fleet.progress, seen, lag)


def _result(name: str, scale: float, progress: Progress, seen: Watch, lag: Lag) -> RunResult:
    return RunResult(
        name=name,
        makespan_s=progress.elapsed_s,
        hit_rate=seen.hit_rate,
        preemptions=seen.preemptions,
        turns=progress.turns,
        failures=len(progress.failures),
        p50_turn_s=percentile(progress.latencies_s, 0.5),
        p99_turn_s=percentile(progress.latencies_s, 0.99),
        most_active=max(seen.active, default=None),
        time_scale=scale,
        engine_lag=lag.engine,
        turn_lag=lag.turns,
        course=_course(scale, progress, seen),
    )


def _course(scale: float, progress: Progress, seen: Watch) -> Course:
    return Course(
        total_s=progress.elapsed_s * scale,
        hit_rate=seen.hit_rate,
        recomputed_tokens=progress.recomputed_tokens if progress.tells_cached else None,
        turn_p50_s=percentile(progress.latencies_s, 0.5) * scale,
        turn_p99_s=percentile(progress.latencies_s, 0.99) * scale,
        longest_wait_s=max(progress.waits_s) * scale if progress.waits_s else None,
        points=seen.points,
    )


async def _first_model(engine_url: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{engine_url}/v1/models")
        response.raise_for_status()
        return str(response.json()["data"][0]["id"])
