"""The benefit of control on a real engine: `python -m tests.real_engine.fleet --engine vllm` prints a Markdown table.

The same fleet of agents runs once per arm, on one server whose prefix cache is emptied before. The engine is installed
first if it is missing. A fleet of `--agents 2` fits into the cache. It runs directly and through the gateway in turn,
to measure what the gateway costs there.

Needs one core for computing, one for all the rest, and a machine that does nothing else. With `--runs FILE` the runs
are kept in a file, and arms that it has from the same gateway are not run again, so a long comparison can be made in
several parts.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import httpx

from concur_proxy.lab.demo.workload import BYTES_PER_TOKEN, Workload, write_scripts
from tests.benchmarks import fingerprint
from tests.benchmarks.kept_runs import KeptRuns
from tests.real_engine import install
from tests.real_engine.arms import ARMS, DEFAULT, DIRECT, HEAD, Run, run_fleet
from tests.real_engine.models import fitting_model
from tests.real_engine.server import EngineServer
from tests.real_engine.sglang_server import SglangServer
from tests.real_engine.vllm_server import VllmServer

CAPACITY_TOKENS = {"vllm": 8192, "sglang": 6144}
"""Size of the KV cache by engine. SGLang's is smaller here, because its attention is slow without a GPU."""
KNEE_AGENTS = 4
"""A smaller number of agents fits into the cache at once."""
FLEETS = {"vllm": (16, 10), "sglang": (12, 8)}
"""Agents and turns by engine."""
ANSWER_TOKENS = 16
LOADS = {"growing": (64, 300, 200), "shared": (1400, 200, 85)}
"""Tokens by load: a system prompt that all agents share, an agent's task, and growth per turn. In `shared`, 1,400 of
about 2,200 tokens are shared after 8 turns.
"""


class Kept:
    """The runs of one comparison, by arm."""

    def __init__(self, path: Path | None, title: str) -> None:
        self._kept = KeptRuns(path, Run)
        self._title = title

    def get(self, arm: str) -> Run | None:
        """The run of this arm, if it has been made."""
        return self._kept.known(self._name(arm), self._code(arm))

    def run(self, arm: str, make: Callable[[], Run]) -> Run:
        """The same; `make` runs it if it has not been made."""
        return self._kept.figures(self._name(arm), self._code(arm), make)

    def _name(self, arm: str) -> str:
        return f"{self._title.strip()}: {arm}"

    def _code(self, arm: str) -> str:
        """The agents, and the gateway if the arm has one."""
        parts = [fingerprint.fingerprint("tests/real_engine/arms.py", "concur_proxy/lab/demo")]
        return fingerprint.digest([*parts, *(() if ARMS[arm].flags is None else (fingerprint.gateway(),))])


def compare_arms(server: EngineServer, given: argparse.Namespace, kept: Kept, arms: Sequence[str]) -> None:
    """Print a row per arm. The server runs only if there are arms to run."""
    missing = [arm for arm in arms if kept.get(arm) is None]
    if missing:
        with server:
            workload = workload_of(server, given)
            asyncio.run(run_fleet(server, Workload(agents=1, turns=2, tool_s=(0.0, 0.0)), DIRECT))  # warms it up
            for arm in missing:
                kept.run(arm, partial(_run_arm, server, workload, arm, given.log_level))
    baseline = kept.get(DIRECT)
    for run in filter(None, map(kept.get, arms)):
        print(run.line(None if baseline is None else baseline.makespan_s), flush=True)


def _run_arm(server: EngineServer, workload: Workload, arm: str, log_level: str) -> Run:
    return asyncio.run(run_fleet(server, workload, arm, log_level=log_level))


async def compare_below_the_knee(server: EngineServer, workload: Workload, pairs: int) -> None:
    """Print a row per run, directly and through the gateway in turn, and a last line with the ratio of the medians."""
    arms = (DIRECT, DEFAULT)
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for pair in range(pairs):
        # the order alternates, so that a machine that becomes slower favours neither
        for arm in arms if pair % 2 == 0 else reversed(arms):
            run = await run_fleet(server, workload, arm)
            seconds[arm].append(run.makespan_s)
            print(run.line(None), flush=True)
    direct_s, proxied_s = (median(seconds[arm]) for arm in arms)
    print(
        f"\nMedian of {pairs}: {direct_s:.2f} s direct, {proxied_s:.2f} s through the gateway, "
        f"{100 * (proxied_s / direct_s - 1):+.2f} %."
    )


def workload_of(server: EngineServer, given: argparse.Namespace) -> Workload:
    """The workload, with sizes in tokens of this server instead of the emulated engine."""
    text = " ".join(turn.text for script in write_scripts(Workload(agents=1)) for turn in script.turns)[:4000]
    asked = {"model": server.model, "messages": [{"role": "user", "content": text}], "max_tokens": 1}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=asked, timeout=120, trust_env=False)
    scale = len(text) / answer.raise_for_status().json()["usage"]["prompt_tokens"] / BYTES_PER_TOKEN
    shared, first, growth = (round(tokens * scale) for tokens in LOADS[given.load])
    return Workload(
        agents=given.agents,
        turns=given.turns,
        shared_tokens=shared,
        first_tokens=first,
        growth_tokens=growth,
        answer_tokens=ANSWER_TOKENS,
        tool_s=tuple(given.tool_s),
        seed=given.seed,
    )


def prompt_tokens(engine: str) -> int:
    """About how many tokens this engine's fleet computes without control: each prompt, except what all agents share."""
    agents, turns = FLEETS[engine]
    _, first, growth = LOADS["growing"]
    return agents * sum(first + turn * (growth + ANSWER_TOKENS) for turn in range(turns))


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the server, run the arms, print the table."""
    given = _parser().parse_args(arguments)
    agents, turns = FLEETS[given.engine]
    given.agents, given.turns = given.agents or agents, given.turns or turns
    install.main([given.engine])
    given.model = given.model or fitting_model(given.engine, prompt_tokens(given.engine))
    server = _server(given)
    title = _title(server, given)
    print(title, HEAD, sep="\n", flush=True)
    if given.agents < KNEE_AGENTS:
        with server:
            asyncio.run(compare_below_the_knee(server, workload_of(server, given), given.pairs))
    else:
        compare_arms(server, given, Kept(given.runs, title), given.arms or list(ARMS))


def _server(given: argparse.Namespace) -> EngineServer:
    capacity, is_told = CAPACITY_TOKENS[given.engine], not given.untold
    if given.engine == "sglang":
        return SglangServer(given.model, capacity_tokens=capacity, tells_cached=is_told)
    return VllmServer(given.model, capacity_tokens=capacity, tells_cached=is_told, ranks=given.ranks)


def _title(server: EngineServer, given: argparse.Namespace) -> str:
    shared, first, growth = LOADS[given.load]
    return (
        f"{given.agents} agents of {given.turns} turns ({shared:,} shared tokens, {first} first, {growth} a turn, "
        f"{ANSWER_TOKENS} out, tools {given.tool_s[0]:g} to {given.tool_s[1]:g} s) on {server.ranks} x "
        f"{server.release} with model {given.model} in {server.dtype}, each on one core and with "
        f"{server.capacity_tokens:,} tokens of KV cache, {'cached tokens not reported, ' if given.untold else ''}"
        f"seed {given.seed}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine.fleet", description=__doc__)
    parser.add_argument("--engine", choices=list(FLEETS), default="vllm", help="default %(default)s")
    parser.add_argument("--load", choices=list(LOADS), default="growing", help="default %(default)s")
    parser.add_argument("--agents", type=int, help="default 16 or 12 by engine; 2 or 3 compare the gateway's cost")
    parser.add_argument("--turns", type=int, help="turns of each agent (default 10 or 8 by engine)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the texts and tool times (default %(default)s)")
    parser.add_argument(
        "--tool-s", nargs=2, type=float, default=(0.5, 1.5), metavar=("LEAST", "MOST"), help="default 0.5 1.5"
    )
    parser.add_argument("--untold", action="store_true", help="answers do not report what was cached")
    parser.add_argument("--ranks", type=int, default=1, help="vLLM's data-parallel ranks (default %(default)s)")
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="fleet, fleet-middle, fleet-small or fleet-tiny, of 72, 32, 15 or 6 million parameters; fleet-12 is fleet "
        "with 12 layers (default: the one with which an arm takes one to two minutes on this machine)",
    )
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs with 2 or 3 agents (default %(default)s)")
    parser.add_argument(
        "--arms", nargs="+", choices=list(ARMS), metavar="ARM", help=f"some of: {', '.join(map(repr, ARMS))}"
    )
    parser.add_argument("--runs", type=Path, metavar="FILE", help="keep the runs here; arms found here are not run")
    parser.add_argument("--log-level", default="warning", help="the gateway's (default %(default)s)")
    return parser


if __name__ == "__main__":
    main()
