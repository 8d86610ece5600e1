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

**Warm-up.** Before each fleet, agents that fit into the cache run through the same gateway: 26 of five turns, and 5 of
22 turns on real vLLM. vllm-router needs 100 samples before it protects a session during a tool call. All arms get the
same warm-up.

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

**Real vLLM**, where it is installed, serves a model of random weights on one core; the load is that of
`tests.real_engine.fleet`. The fixed cap is the best of 3, 4, 6 and 8. vllm-router's coefficients are measured first, as
its documentation says, except for the share of decoding speed that prompts leave, which it says how to set but not how
to measure. vLLM refuses its field in the body, so sessions are named in `x-session-id` and their end is not reported.

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

from concur_proxy.lab.demo.workload import Script
from tests.benchmarks.peers.arms import CAP, DIRECT, NAMES, THUNDER_SOURCE, arm, nameless
from tests.benchmarks.peers.engines import REAL, Open, emulated, has_vllm, real_name, real_summary, real_vllm
from tests.benchmarks.peers.fleet import Fleet, Seen
from tests.benchmarks.peers.kept import Kept, Run
from tests.benchmarks.peers.loads import LOADS, Load, simulated_best_cap
from tests.benchmarks.peers.tables import table, winners
from tests.benchmarks.process import cpu_seconds

SUMMARIES = {load.name: load.summary for load in LOADS} | {real_name(kind): real_summary(kind) for kind in REAL}
"""All loads in words."""
REAL_CAPS = (3, 4, 6, 8)
"""Fixed caps that are tried on real vLLM. On the emulated engine the simulator knows the best one."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the arms that are missing, and print all tables."""
    given = _parser().parse_args(arguments)
    kept = Kept(given.kept)
    asked = [name for name in SUMMARIES if not given.load or name in given.load]
    missing = set() if given.print else _measure_all(asked, given, kept)
    if missing:
        print(f"Not installable here: {', '.join(sorted(missing))}.\n")
    shown = [name for name in asked if kept.of(name, given.seed)]
    for name in shown:
        print(f"{SUMMARIES[name][0].upper()}{SUMMARIES[name][1:]}:\n")
        print("\n".join(table(name, kept.of(name, given.seed))), end="\n\n")
    ahead = [line for name in shown for line in winners(name, kept.of(name, given.seed))]
    print("\n".join(ahead) or "No peer was ahead of our default.")
    commits = sorted({run.commit for name in shown for run in kept.of(name, given.seed)})
    print(f"\nCommits at which the arms were measured: {', '.join(commits)}.")


def _measure_all(asked: Sequence[str], given: argparse.Namespace, kept: Kept) -> set[str]:
    """Run what is missing. Returns the names of peers that cannot be installed."""
    absent: set[str] = set()
    wanted = {
        load: [arm for arm in NAMES if (not given.arm or arm in given.arm) and kept.get(load, arm, given.seed) is None]
        for load in asked
    }
    for load in LOADS:
        for name in wanted.get(load.name, ()):
            caps = (simulated_best_cap(load, given.seed),)
            absent |= _keep(load, name, given, kept, open_engine=emulated, caps=caps)
    for kind in REAL if has_vllm() else ():
        names = wanted.get(real_name(kind), ())
        if names:
            with real_vllm(kind, given.seed) as (load, open_engine):
                for name in names:
                    absent |= _keep(load, name, given, kept, open_engine=open_engine, caps=REAL_CAPS)
    return absent


def _keep(
    load: Load, name: str, given: argparse.Namespace, kept: Kept, *, open_engine: Open, caps: Sequence[int]
) -> set[str]:
    """Run an arm and keep its best run: there are several only of fixed caps. Returns its name if it cannot be
    installed.
    """
    runs = [measure(load, name, given, open_engine=open_engine, cap=cap) for cap in (caps if name == CAP else (0,))]
    made = [run for run in runs if run is not None]
    if not made:
        return {name}
    kept.add(min(made, key=lambda run: run.makespan_s))
    return set()


def measure(load: Load, name: str, given: argparse.Namespace, *, open_engine: Open, cap: int) -> Run | None:
    """One arm of one load. None if it cannot be installed."""
    with ExitStack() as stack:
        engine = stack.enter_context(open_engine())
        way_to = arm(
            name,
            cap=cap,
            calibration=engine.calibration,
            environments=given.environments,
            thunder=given.thunderagent,
            is_real=engine.is_real,
        )
        if way_to is None:
            return None
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
            return asyncio.run(fleet.run(scripts, most_s=given.most_s))

        run(load.warm_up(), says_end=load.has_names)
        before, cpu_before = engine.read(), sum(map(cpu_seconds, way.pids()))
        seen = run(load.scripts(given.seed), says_end=load.says_end)
        after, cpu_after = engine.read(), sum(map(cpu_seconds, way.pids()))
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
        lag=None if engine.is_real else max(0.0, change["late_s"] / change["due_s"]),
        note=f"{cap} sessions" if cap else "",
        commit=_commit(),
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=(__doc__ or "")[:94])
    parser.add_argument("--load", action="append", choices=list(SUMMARIES), help="repeatable")
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
