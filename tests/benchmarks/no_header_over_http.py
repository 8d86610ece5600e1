"""What session names are worth over HTTP: `python -m tests.benchmarks.no_header_over_http` prints Markdown tables.

The same agents against the same emulated engine, one run after the other: without any gateway, and through the gateway
with a session header for each agent, without any name, with one `prompt_cache_key` for all agents, with a new session
id for each request, and with bodies that the gateway cannot read. The first load is the fleet for which admission
matters, at a fifth of its size. For the others admission cannot help: the cache is large enough, or each conversation
has one turn. Times are seconds of the engine's clock. The engine's lag is the time that the machine added to its steps;
a run with a lag above 5 % is repeated. Three seeds take about 15 minutes on two cores.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from statistics import fmean

import httpx

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.options import engine_flags
from concur_proxy.lab.demo.workload import Script, Workload, write_scripts
from concur_proxy.lab.server.clockwork import CLOCK_PATH
from concur_proxy.lab.server.options import EmulatorOptions

MOST_LAG = 0.05
MOST_TRIES = 3
LEAST_GAIN = 0.9
"""The share of the header's gain over no gateway that clients without a header must keep."""
MOST_TO_DIRECT = 1.03
"""What the gateway may take at most, relative to no gateway."""

ENGINE = EmulatorOptions(
    capacity_tokens=60_000, prefill_tokens_s=2_200.0, step_s=0.07, decode_s=0.00125, token_budget=1_640
)
"""A fifth of the default engine: a fifth of the cache, and a token takes five times as long."""
FLEET = Workload(agents=80, turns=10, shared_tokens=200, first_tokens=300, growth_tokens=200, answer_tokens=70)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Agents, and the engine that they use."""

    name: str
    workload: Workload
    engine: EmulatorOptions


LOADS = (
    Load(name="fleet", workload=FLEET, engine=replace(ENGINE, time_scale=20.0)),
    Load(name="ample cache", workload=FLEET, engine=replace(ENGINE, capacity_tokens=400_000, time_scale=12.0)),
    Load(
        name="single turns",
        workload=replace(FLEET, agents=400, turns=1),
        engine=replace(ENGINE, time_scale=4.0),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """How the agents' requests name their sessions."""

    name: str
    through_gateway: bool = True
    headers: Callable[[Script, int], Mapping[str, str]] = lambda _, __: {}
    """The headers of an agent's request. The number is a new one for each request."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields of each body."""


DIRECT = "no gateway"
HEADER = "header"
ARMS = (
    Arm(name=DIRECT, through_gateway=False),
    Arm(name=HEADER, headers=lambda script, _: {"x-session-id": script.name}),
    Arm(name="no header"),
    Arm(name="one prompt_cache_key", fields={"prompt_cache_key": "all"}),
    Arm(name="new id each", headers=lambda _, number: {"x-session-id": f"request-{number}"}),
    # the emulated engine reads the body all the same
    Arm(name="unreadable", headers=lambda _, __: {"content-type": "application/octet-stream"}),
)
MUST_GAIN = ("no header", "one prompt_cache_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One arm of one load: engine seconds until the last agent has finished."""

    seconds: float
    lag: float
    """How much longer the engine's steps took than they should, as a share."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.no_header_over_http", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each load (default %(default)s)")
    parser.add_argument("--load", action="append", choices=[load.name for load in LOADS], help="repeatable")
    parser.add_argument("--arm", action="append", choices=[arm.name for arm in ARMS], help="repeatable")
    given = parser.parse_args(arguments)
    arms = [arm for arm in ARMS if not given.arm or arm.name in given.arm or arm.name == DIRECT]
    for load in LOADS:
        if not given.load or load.name in given.load:
            runs = [{arm.name: measure(load, arm, seed) for arm in arms} for seed in range(1, given.seeds + 1)]
            print("\n".join(table(load, runs)), flush=True)


def measure(load: Load, arm: Arm, seed: int) -> Run:
    """One run, repeated if the machine did not keep up. Raises `SystemExit` if it never does."""
    lags = []
    for _ in range(MOST_TRIES):
        run = once(load, arm, seed)
        if run.lag <= MOST_LAG:
            return run
        lags.append(f"{100 * run.lag:.0f} %")
    raise SystemExit(f"{load.name}, {arm.name}: this machine is too busy, the engine's lag was {', '.join(lags)}")


def once(load: Load, arm: Arm, seed: int) -> Run:
    """Start the servers, and let the agents run."""
    return asyncio.run(_once(load, arm, seed))


async def _once(load: Load, arm: Arm, seed: int) -> Run:
    scale = load.engine.time_scale
    async with servers.engine(*engine_flags(load.engine)) as engine_url:
        if not arm.through_gateway:
            return await _drive(load, arm, seed, engine_url=engine_url, url=engine_url)
        # The gateway's scrape interval shrinks with the engine's time.
        arguments = ("--scrape-interval-s", f"{1.0 / scale:g}", "--log-level", "error")
        async with servers.gateway(engine_url, *arguments) as url:
            return await _drive(load, arm, seed, engine_url=engine_url, url=url)


async def _drive(load: Load, arm: Arm, seed: int, *, engine_url: str, url: str) -> Run:
    scale, numbers = load.engine.time_scale, count()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=4.0)
    async with httpx.AsyncClient(timeout=600.0, limits=limits, trust_env=False) as client:

        async def live(script: Script) -> None:
            messages = [{"role": "system", "content": script.system}]
            for turn in script.turns:
                messages.append({"role": "user", "content": turn.text})
                body = {"messages": messages, "max_tokens": turn.answer_tokens, "ignore_eos": True, **arm.fields}
                headers = {"content-type": "application/json", **arm.headers(script, next(numbers))}
                response = await client.post(
                    f"{url}/v1/chat/completions", headers=headers, content=json.dumps(body).encode()
                )
                response.raise_for_status()
                messages.append({"role": "assistant", "content": response.json()["choices"][0]["message"]["content"]})
                await asyncio.sleep(turn.tool_s / scale)

        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for script in write_scripts(replace(load.workload, seed=seed)):
                group.create_task(live(script))
        seconds = scale * (time.monotonic() - began)
        clock = (await client.get(engine_url + CLOCK_PATH)).json()
    return Run(seconds=seconds, lag=max(0.0, clock["late_s"] / clock["due_s"]))


def table(load: Load, runs: Sequence[Mapping[str, Run]]) -> list[str]:
    """A row for each arm: the time with each seed, the mean relative to no gateway, and how much of the header's gain
    is left. What misses its bar is in bold.
    """
    seeds = " | ".join(f"seed {number}, s" for number in range(1, len(runs) + 1))
    lines = [
        "",
        f"| {load.name} | {seeds} | to no gateway | worst seed | gain kept | largest lag |",
        f"| --- |{' ---: |' * (len(runs) + 4)}",
    ]
    direct_s = fmean(run[DIRECT].seconds for run in runs)
    gain_s = direct_s - fmean(run[HEADER].seconds for run in runs) if HEADER in runs[0] else 0.0
    for name in runs[0]:
        mean_s = fmean(run[name].seconds for run in runs)
        worst = max(run[name].seconds / run[DIRECT].seconds for run in runs)
        kept = (direct_s - mean_s) / gain_s if gain_s > (MOST_TO_DIRECT - 1) * direct_s else None
        cells = [
            name,
            *(f"{run[name].seconds:.0f}" for run in runs),
            _marked(f"{mean_s / direct_s:.2f}", misses=mean_s / direct_s > MOST_TO_DIRECT),
            f"{worst:.2f}",
            "" if kept is None else _marked(f"{100 * kept:.0f} %", misses=name in MUST_GAIN and kept < LEAST_GAIN),
            f"{100 * max(run[name].lag for run in runs):.1f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _marked(text: str, *, misses: bool) -> str:
    return f"**{text}**" if misses else text


if __name__ == "__main__":
    main()
