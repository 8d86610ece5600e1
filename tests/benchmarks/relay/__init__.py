"""What the relay costs, compared with no proxy and with other proxies

`python -m tests.benchmarks.relay` measures the gateway. `--quick` takes less than a minute, for development.
`--peers` adds HAProxy, nginx, vllm-router, sglang-router, production-stack and ThunderAgent, and takes a quarter of
an hour. All but the first two get environments of their own; the last two are no packages, so that pip installs them
from GitHub, or from `--source NAME=PLACE`. They are measured with requests of 4 kB only, because the rest takes them
too long. ThunderAgent writes a log line for each request, and has no option against that. `--before DIR` adds the
gateway of another checkout, `--redis` gateways that share a Redis, `--observed` one that logs requests and one that
traces them. `--clients` compares the HTTP clients that the gateway could use instead (`httpx+aiohttp` needs `pip
install httpx-aiohttp`). At the end it says in words what the gateway is to reach, and whether it did.

The proxy that is measured has core 0 for itself. Load and engine, both in C, share core 1. All proxies run throughout
and take turns under each load. Figures are medians of the rounds; CPU time is of the proxy's processes with all their
threads, read from the kernel. So compare rows, and not files: the machine may be shared.

**Requests.** 64 agents, or one, send chat requests one after another. Each agent names its session in `x-session-id`
for 32 requests, each longer than the one before, of 4 kB or 200 kB on average. *Added* is the difference to no proxy,
whose own times are in brackets. The engine answers at once.

**Streams.** The engine writes one event to each stream every 20 ms, to all at once, as from one batch. A stream has 500
events. *On time* is the part of the due events that reached the client within 20 ms of the engine's write. *First byte*
is the median. *Of a core*: the proxy's CPU time. In a flood, the engine writes 200 events to each of 64 streams as fast
as they are taken.

**Pauses.** The longest answer time of a small request, sent every 2 ms on a connection of its own: the gateway's
`/healthz`, otherwise `/health`, which HAProxy and nginx pass on. The load's own core adds to it: see the row without a
proxy.

**Memory.** 9,000 clients send a request of 4 kB each, which waits for admission (`--law static --set window=1
--no-work-conserving`). Then all clients leave.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.benchmarks.candidates import CANDIDATES
from tests.benchmarks.process import free_port, pin, started
from tests.benchmarks.relay import tables
from tests.benchmarks.relay.bars import OWN, verdicts
from tests.benchmarks.relay.held import HELD_HEAD, Held, held
from tests.benchmarks.relay.loads import LOADS, Figures, measured
from tests.benchmarks.relay.native import compiled
from tests.benchmarks.relay.peers import peers
from tests.benchmarks.relay.proxies import OBSERVED, SHARED, Start, direct, gateway, minimal
from tests.benchmarks.relay.python_peers import SOURCES, python_peers

PROXY_CORE, LOAD_CORE = 0, 1
FEW = ("4 kB", "4 kB alone")
"""The loads of the slow proxies, see above."""
HOLDING = ("--law", "static", "--set", "window=1", "--no-work-conserving")


def measure(starts: Mapping[str, Start], load: Path, engine_port: int, *, rounds: int, seconds: float) -> tables.Seen:
    """Start all proxies and measure them in turn under each load."""
    seen: dict[str, dict[str, list[Figures]]] = {
        name: {kind: [] for kind in (FEW if name in SOURCES else LOADS)} for name in starts
    }
    with ExitStack() as stack:
        ways = {name: stack.enter_context(start(engine_port)) for name, start in starts.items()}
        for number in range(rounds * len(LOADS)):
            kind = list(LOADS)[number % len(LOADS)]
            for name, way in ways.items():
                if kind not in seen[name]:
                    continue
                pids = way.pids()
                pin(pids, PROXY_CORE)
                figures = measured(load, LOADS[kind], port=way.port, pids=pids, ping=way.ping, seconds=seconds)
                seen[name][kind].append(figures)
                pin(pids, LOAD_CORE)
    return {name: tables.medians(under) for name, under in seen.items()}


def measure_held(folders: Mapping[str, Path | None], load: Path, engine_port: int, requests: int) -> dict[str, Held]:
    """Measure and print what requests that wait cost the gateways of these checkouts."""
    print(HELD_HEAD)
    seen: dict[str, Held] = {}
    for name, folder in folders.items():
        with gateway(engine_port, *HOLDING, folder=folder) as way:
            pin(way.pids(), PROXY_CORE)
            seen[name] = held(load, port=way.port, pids=way.pids(), requests=requests)
            print(seen[name].line(name), flush=True)
    return seen


def _source(text: str) -> tuple[str, str]:
    name, _, place = text.partition("=")
    if name not in SOURCES or not place:
        raise argparse.ArgumentTypeError(f"expected NAME=PLACE, where NAME is one of {', '.join(SOURCES)}")
    return name, place


def main(arguments: Sequence[str] | None = None) -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.relay", description=(__doc__ or "")[:75])
    parser.add_argument("--quick", action="store_true", help="one short round and fewer waiting requests")
    parser.add_argument("--rounds", type=int, default=5, help="measurements under each load (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each measurement (default 1)")
    parser.add_argument("--peers", action="store_true", help="also measure other proxies")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="keep the peers' environments here for later")
    parser.add_argument(
        "--source", type=_source, action="append", default=[], metavar="NAME=PLACE", help="install this peer from here"
    )
    parser.add_argument("--before", type=Path, metavar="DIR", help="also measure the gateway of this checkout")
    parser.add_argument("--redis", action="store_true", help="also measure gateways that share a Redis")
    parser.add_argument("--observed", action="store_true", help="also measure request log lines and traces")
    parser.add_argument("--clients", action="store_true", help="measure HTTP clients instead of the gateway")
    parser.add_argument("--only", choices=sorted(CANDIDATES), action="append", help="only this client; repeatable")
    given = parser.parse_args(arguments)
    rounds, seconds, requests = (1, 0.5, 1000) if given.quick else (given.rounds, given.seconds, 9000)
    os.sched_setaffinity(0, {LOAD_CORE})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        load, engine = compiled("load", folder), compiled("engine", folder)
        engine_port = free_port()
        stack.enter_context(started([str(engine), str(engine_port)], port=engine_port))
        starts: dict[str, Start] = {tables.DIRECT: direct}
        folders: dict[str, Path | None] = {}
        if given.clients:
            starts |= {name: partial(minimal, client=name) for name in given.only or sorted(CANDIDATES)}
        else:
            folders = ({f"{OWN} before": given.before} if given.before else {}) | {OWN: None}
            starts |= {name: partial(gateway, folder=place) for name, place in folders.items()}
        starts |= (OBSERVED if given.observed else {}) | (SHARED if given.redis else {})
        if given.peers:
            others, missing = peers(given.environments or folder, folder)
            slow, uninstalled = python_peers(given.environments or folder, dict(given.source))
            starts |= others | slow
            missing += uninstalled
            print(f"Not installable here: {', '.join(missing)}.\n" if missing else "", end="")
        seen = measure(starts, load, engine_port, rounds=rounds, seconds=seconds)
        made = (
            tables.requests(seen, "4 kB"),
            tables.requests(seen, "200 kB"),
            tables.streams(seen),
            tables.pauses(seen),
        )
        print("\n\n".join(made), end="\n\n", flush=True)
        if folders:
            waited = measure_held(folders, load, engine_port, requests)
            print(f"\nWhat is to be reached:\n\n{verdicts(seen, waited.get(OWN))}")
