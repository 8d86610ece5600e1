"""Runs the demo: the fleet without control, then through the gateway, then the comparison."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles

import httpx
from rich.console import Console
from rich.live import Live

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.display import LiveView, RunResult, comparison
from concur_proxy.lab.demo.fleet import Fleet
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.watch import Watch, watch
from concur_proxy.lab.demo.workload import write_scripts

SAMPLE_S = 0.25


async def run(options: DemoOptions, console: Console | None = None) -> list[RunResult]:
    """Both runs' results, the one without control first; each on a fresh engine unless `options.engine` names one."""
    console = console or Console()
    scale = 1.0 if options.engine else options.time_scale
    load = options.workload
    console.print(
        f"{load.agents} agents of {load.turns} turns, all started at once, on "
        + (options.engine or f"an emulated engine, {scale:g} times faster than life")
    )
    results = []
    for name, controlled in (("no control", False), (f"through concur-proxy ({options.law})", True)):
        results.append(await _run_once(options, scale, name, controlled=controlled, console=console))
    console.print(comparison(results))
    first, second = (result.makespan_s for result in results)
    console.print(f"The fleet finished [bold]{first / second:.2f} times[/bold] as fast through the gateway.")
    return results


def write_json(results: list[RunResult], path: Path) -> None:
    """The results as a JSON list."""
    path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


async def _run_once(options: DemoOptions, scale: float, name: str, *, controlled: bool, console: Console) -> RunResult:
    engine_arguments = (*options.engine_arguments, "--time-scale", str(scale))
    async with servers.engine_or(options.engine, *engine_arguments) as engine_url:
        if not controlled:
            return await _drive(options, scale, name, engine_url, None, console)
        # The gateway lives in the engine's time: all its intervals shrink with the scale.
        arguments = ("--law", options.law, "--scrape-interval-s", f"{1.0 / scale:g}", "--log-level", "error")
        async with servers.gateway(engine_url, *arguments) as gateway_url:
            return await _drive(options, scale, name, engine_url, gateway_url, console)


async def _drive(
    options: DemoOptions, scale: float, name: str, engine_url: str, gateway_url: str | None, console: Console
) -> RunResult:
    model = await _first_model(engine_url)
    scripts = write_scripts(options.workload)
    fleet = Fleet(base_url=gateway_url or engine_url, model=model, scripts=scripts, time_scale=scale)
    seen = Watch()
    watcher = asyncio.create_task(watch(seen, engine_url=engine_url, gateway_url=gateway_url, interval_s=SAMPLE_S))
    try:
        with Live(LiveView(name, fleet.progress, seen), console=console, refresh_per_second=4, transient=True):
            progress = await fleet.run()
            await asyncio.sleep(2 * SAMPLE_S)  # the last sample must see the last answers
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
    cuts = quantiles(progress.latencies_s, n=100)
    return RunResult(
        name=name,
        makespan_s=progress.elapsed_s,
        hit_rate=seen.hit_rate,
        preemptions=seen.preemptions,
        turns=progress.turns,
        failures=len(progress.failures),
        p50_turn_s=cuts[49],
        p99_turn_s=cuts[98],
        most_active=max(seen.active, default=None),
    )


async def _first_model(engine_url: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{engine_url}/v1/models")
        response.raise_for_status()
        return str(response.json()["data"][0]["id"])
