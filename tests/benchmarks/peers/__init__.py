"""Session control side by side: the same fleets through the gateway, vllm-router and ThunderAgent

`python -m tests.benchmarks.peers` installs the peers into environments of their own and runs each fleet without a
gateway and through each of them. The engine is emulated, over HTTP and in real time, because not all timers of the
peers can be scaled: the default engine's speed with a KV cache of 60,000 tokens. Each arm has an engine and a gateway
of its own, and takes one to two minutes. `--at-once` runs several arms at the same time; the lag says whether they
disturbed each other. `--seconds` ends the command in time, and the next call goes on: results are kept in a file. A
result counts only for the code that it measured (gateway, emulated engine, agents) and for the installed version of the
peer.

**What is measured.** *Total time*: from the first request to the last answer. *Cache hits*: the share of prompt tokens
that the engine found in its cache. *Engine busy*: the share of the total time in which it computed, by its cost model.
*First token*: from sending a request to its first token, waiting included. *Session*: from an agent's start to its last
answer. *Errors*: failed requests; each is sent again after a second. *CPU*: of the gateway's processes. *Lag*: how much
too long the engine's steps took, because the machine was busy.

**Warm-up.** Before each fleet, agents that fit into the cache run through the same gateway: 26 of five turns, and 5 of
22 turns on real vLLM. vllm-router needs 100 samples before it protects a session during a tool call. All arms get the
same warm-up.

**How the settings were chosen.** Each peer is started as its own documentation says, and gets all facts about the
engine and the sessions that it accepts. No setting of any arm was tuned on these loads, except the fixed cap.

**Ours.** The default settings, and of the engine only its address. The fixed cap is the best one in the simulator,
which is known only afterwards. The paper's law (CONCUR, AIMD) runs in our gate with our leases.

**vllm-router** with program scheduling, by its documentation (docs/program_scheduling.md in vllm-project/router). The
size of the cache is typed in (`token_capacity_per_target`). The seven coefficients are exact: they are computed from
the emulated engine's cost model. `global_queue` is on, as recommended, and the policy is `consistent_hash`, as in its
example. All else is its default. Sessions and sub-agents are named in `vllm_xargs.agentic_context`; an agent's last
request says `expected_resume: false`. With these settings it asks the engine for nothing but `/health` and `/metrics`,
so no other path of the engine had to be emulated.

**ThunderAgent** at commit a7eef77, as its README starts it, with `--metrics`, from which it reads the size of the
cache. Sessions are named in `program_id` and released at `/programs/release`. *Decay* adds `--use-acting-token-decay`,
which is off by default and was faster in tests by others. ThunderAgent is not on PyPI: pip installs it from GitHub, or
from `--thunderagent SOURCE`. `--profile` is left out, because it only writes files.

**Real vLLM**, where it is installed, serves a model of random weights on one core; the load is that of
`tests.real_engine.fleet`. The fixed cap is the best of 3, 4, 6 and 8. vllm-router's coefficients are measured first, as
its documentation says, except for the share of decoding speed that prompts leave, which it says how to set but not how
to measure. vLLM refuses its field in the body, so sessions are named in `x-session-id` and their end is not reported.

**Loads without names or ends.** In *no release* no agent says that it has ended. In *no header* no request has any of
the names above, as with most clients.

If a peer takes less than 0.99 of our default's total time, a line below the tables says so, with what the engine
computed and how long it was idle in each of the two.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers.arms import NAMES, PACKAGES
from tests.benchmarks.peers.engines import REAL, real_name, real_summary
from tests.benchmarks.peers.loads import LOADS
from tests.benchmarks.peers.measuring import Settings
from tests.benchmarks.peers.pieces import known, run_missing
from tests.benchmarks.peers.tables import facts, table, winners
from tests.benchmarks.peers.versions import install
from tests.benchmarks.relay.python_peers import SOURCES, THUNDER

SUMMARIES = {load.name: load.summary for load in LOADS} | {real_name(kind): real_summary(kind) for kind in REAL}
"""All loads in words."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the arms that are missing, and print all tables."""
    given = _parser().parse_args(arguments)
    settings = Settings(
        seed=given.seed,
        environments=given.environments,
        most_s=given.most_s,
        kept=given.kept,
        ends_at=None if given.seconds is None else time.time() + given.seconds,
        at_once=given.at_once,
    )
    loads, arms = given.load or list(SUMMARIES), given.arm or NAMES
    if not given.print:
        absent = install(arms, given.environments, thunder=given.thunderagent)
        if absent:
            print(f"Not installable here: {', '.join(sorted(absent))}.\n")
        if left := run_missing(loads, [arm for arm in arms if PACKAGES.get(arm) not in absent], settings):
            print(f"{left} arms are left: call it again.\n")
    shown = {load: runs for load in loads if (runs := known(load, settings))}
    for load, runs in shown.items():
        print(f"{SUMMARIES[load][0].upper()}{SUMMARIES[load][1:]}:\n")
        print("\n".join(table(load, runs)), end="\n\n")
    ahead = [line for load, runs in shown.items() for line in winners(load, runs)]
    print("\n".join(ahead) or "No peer was ahead of our default.", end="\n\n")
    if left_out := [load for load in loads if load not in shown]:
        print(f"Not measured yet: {'; '.join(left_out)}.")
    print("\n".join(facts([run for runs in shown.values() for run in runs])))


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
        "--thunderagent", default=SOURCES[THUNDER], metavar="SOURCE", help="what pip installs (default %(default)s)"
    )
    parser.add_argument(
        "--most-s", type=float, default=240.0, help="an arm is stopped after this time (default %(default)s)"
    )
    parser.add_argument(
        "--at-once", type=int, default=1, help="arms of the emulated engine that run at once (default %(default)s)"
    )
    parser.add_argument("--seconds", type=float, help="begin no arm after so many seconds")
    parser.add_argument("--print", action="store_true", help="only print what is kept")
    return parser
