"""Session control side by side: the same fleets through the gateway, vllm-router and ThunderAgent

`python -m tests.benchmarks.peers` installs the peers into environments of their own and runs each fleet without a
gateway and through each of them. The engine is emulated, over HTTP and in real time, because not all timers of the
peers can be scaled: the default engine's speed with a KV cache of 60,000 tokens. Each arm has an engine and a gateway
of its own, and takes one to two minutes. Results are kept in a file, and arms that it has are not run again, so the
comparison can be made in pieces.

**What is measured.** *Total time*: from the first request to the last answer. *Cache hits*: the share of prompt tokens
that the engine found in its cache. *First token*: from sending a request to its first token, waiting included.
*Session*: from an agent's start to its last answer. *Errors*: failed requests; each is sent again after a second.
*CPU*: of the gateway's processes. *Lag*: how much too long the engine's steps took, because the machine was busy.

**Warm-up.** Before each fleet, 26 agents of five turns run through the same gateway. They fit into the cache.
vllm-router needs 100 samples before it protects a session during a tool call. All arms get the same warm-up.

**Ours.** The default settings. The fixed cap is the best one in the simulator. The paper's law (CONCUR, AIMD) runs in
our gate with our leases.

**vllm-router** with program scheduling. The size of the cache is typed in (`token_capacity_per_target`). The seven
coefficients are exact: they are computed from the emulated engine's cost model. `global_queue` is on, as its
documentation recommends (docs/program_scheduling.md in vllm-project/router). All else is its default. Sessions are
named in `vllm_xargs.agentic_context`; an agent's last request says `expected_resume: false`. With these settings it
asks the engine for nothing but `/health` and `/metrics`, so no other path of the engine had to be emulated.

**ThunderAgent** as its README starts it, with `--metrics`, from which it reads the size of the cache. Sessions are
named in `program_id` and released at `/programs/release`. *Decay* adds `--use-acting-token-decay`, which is off by
default and was faster in tests by others. It is not on PyPI: pip installs it from GitHub, or from `--thunderagent
SOURCE`. `--profile` is left out, because it only writes files.

**Loads without names or ends.** In *no release* no agent says that it has ended. In *no header* no request has any of
the names above, as with most clients.

If a peer takes less than 0.99 of our default's total time, a line below the tables says so.
"""

import argparse
import asyncio
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

import httpx
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.lab.demo.options import engine_flags
from concur_proxy.lab.demo.workload import Script
from concur_proxy.lab.server.clockwork import CLOCK_PATH
from tests.benchmarks.peers.arms import CAP, DIRECT, NAMES, THUNDER_SOURCE, Arm, arm, nameless
from tests.benchmarks.peers.calibration import Calibration
from tests.benchmarks.peers.fleet import Fleet, Seen
from tests.benchmarks.peers.kept import Kept, Run
from tests.benchmarks.peers.loads import ENGINE, LOADS, Load, simulated_best_cap
from tests.benchmarks.peers.tables import table, winners
from tests.benchmarks.process import cpu_seconds, free_port, running

MODEL = ENGINE.model


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the arms that are missing, and print all tables."""
    given = _parser().parse_args(arguments)
    kept = Kept(given.kept)
    missing: set[str] = set()
    loads = [load for load in LOADS if not given.load or load.name in given.load]
    for load in loads:
        for name in NAMES if not given.print else ():
            if (not given.arm or name in given.arm) and kept.get(load.name, name, given.seed) is None:
                run = measure(load, name, given)
                missing |= {name} if run is None else set()
                if run is not None:
                    kept.add(run)
    if missing:
        print(f"Not installable here: {', '.join(sorted(missing))}.\n")
    for load in loads:
        print(f"{load.summary[0].upper()}{load.summary[1:]}:\n")
        print("\n".join(table(load.name, kept.of(load.name, given.seed))), end="\n\n")
    ahead = [line for load in loads for line in winners(load.name, kept.of(load.name, given.seed))]
    print("\n".join(ahead) or "No peer was ahead of our default.")
    commits = sorted({run.commit for load in loads for run in kept.of(load.name, given.seed)})
    print(f"\nCommits at which the arms were measured: {', '.join(commits)}.")


def measure(load: Load, name: str, given: argparse.Namespace) -> Run | None:
    """One arm of one load. None if it cannot be installed."""
    cap = simulated_best_cap(load, given.seed) if name == CAP else 0
    way_to = arm(
        name,
        cap=cap,
        calibration=Calibration.of_emulated(ENGINE),
        environments=given.environments,
        thunder=given.thunderagent,
    )
    if way_to is None:
        return None
    if not load.has_names:
        way_to = replace(way_to, name=nameless)
    with ExitStack() as stack:
        port = free_port()
        engine = ("engine", "--port", str(port), *engine_flags(ENGINE))
        stack.enter_context(running("concur_proxy", *engine, port=port, core=None))
        way = stack.enter_context(way_to.open(port))
        url = f"http://127.0.0.1:{way.port}"
        _fleet(url, way_to, load.warm_up(), says_end=load.has_names, most_s=given.most_s)
        before, cpu_before = _read(port), sum(map(cpu_seconds, way.pids()))
        seen = _fleet(url, way_to, load.scripts(given.seed), says_end=load.says_end, most_s=given.most_s)
        after, cpu_after = _read(port), sum(map(cpu_seconds, way.pids()))
    change = {key: after[key] - before[key] for key in after}
    return Run(
        load=load.name,
        arm=name,
        seed=given.seed,
        makespan_s=seen.makespan_s,
        hits=change["vllm:prefix_cache_hits_total"] / change["vllm:prefix_cache_queries_total"],
        first_token_s=_percentiles(seen.first_token_s),
        session_s=_percentiles(seen.session_s),
        finished=seen.finished,
        agents=seen.agents,
        errors=seen.errors,
        first_error=seen.first_error,
        cpu_s=None if name == DIRECT else cpu_after - cpu_before,
        lag=max(0.0, change["late_s"] / change["due_s"]),
        note=f"{cap} sessions" if cap else "",
        commit=_commit(),
    )


def _fleet(url: str, way_to: Arm, scripts: Sequence[Script], *, says_end: bool, most_s: float) -> Seen:
    fleet = Fleet(url, MODEL, way_to.name, says_end=says_end, release_path=way_to.release_path)
    return asyncio.run(fleet.run(scripts, most_s=most_s))


def _read(engine_port: int) -> dict[str, float]:
    """The engine's counters of cache hits, and its clock."""
    url = f"http://127.0.0.1:{engine_port}"
    values = dict(httpx.get(url + CLOCK_PATH, trust_env=False).json())
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", trust_env=False).text):
        for sample in family.samples:
            if sample.name.startswith("vllm:prefix_cache_"):
                values[sample.name] = values.get(sample.name, 0.0) + sample.value
    return values


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    if len(values) < 2:
        return (0.0, 0.0)
    cuts = quantiles(values, n=100, method="inclusive")
    return (cuts[49], cuts[98])


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=(__doc__ or "")[:94])
    parser.add_argument("--load", action="append", choices=[load.name for load in LOADS], help="repeatable")
    parser.add_argument("--arm", action="append", choices=NAMES, help="repeatable")
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    parser.add_argument(
        "--kept", type=Path, default=Path(".peers.jsonl"), metavar="FILE", help="keeps results (default %(default)s)"
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path(".venv-peers"),
        metavar="DIR",
        help="the peers' environments (default %(default)s)",
    )
    parser.add_argument(
        "--thunderagent", default=THUNDER_SOURCE, metavar="SOURCE", help="what pip installs (default %(default)s)"
    )
    parser.add_argument(
        "--most-s", type=float, default=240.0, help="an arm is stopped after this time (default %(default)s)"
    )
    parser.add_argument("--print", action="store_true", help="only print what is kept")
    return parser
