"""When Python looks for garbage: how long it stops the gateway, and what it leaves in memory

`python -m tests.benchmarks.garbage [--seconds S] [--others N]`. Each row is a gateway with these thresholds
(`gc.set_threshold`). What exists at its start is frozen. *Then*: whether what outlives two searches is frozen too, or
searched again. The first row is Python's own choice, and the bold one is the gateway's. 64 agents send requests of 4
kB, then of 200 kB. Then thousands of others come, whose answers do not begin, and 64 agents send requests of 200 kB.

It takes three minutes. *Longest* is the CPU time of the longest search, so that a busy machine changes it little. *Of
CPU* is the part of the gateway's CPU time in all searches. *MB*: resident memory after the loads.
"""

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from concur_proxy.cli.main import main as gateway
from concur_proxy.server import garbage
from tests.benchmarks.process import cpu_seconds, free_port, pin, running, started
from tests.benchmarks.relay.held import resident_mb, waiting
from tests.benchmarks.relay.loads import LOADS, measured
from tests.benchmarks.relay.native import compiled

CHOICES = (
    ((700, 10, 10), False),
    ((10_000, 10, 50), False),
    ((50_000, 10, 50), False),
    ((2_000, 1, 1_000_000), True),
    ((5_000, 1, 1_000_000), True),
    ((10_000, 1, 1_000_000), True),
    ((50_000, 1, 1_000_000), True),
    ((0, 1, 1), False),
)
"""Thresholds, and whether what outlives two searches is frozen. 0: no searches."""
LONGEST_MS = 20.0
"""The longest pause of the event loop that the gateway may have, from any cause."""


@dataclass(slots=True)
class Collections:
    """What the collections of a process took. Times are CPU time in seconds."""

    longest: float = 0.0
    total: float = 0.0
    began: float = 0.0

    def on_collection(self, phase: str, _: dict[str, int]) -> None:
        """Python's callback."""
        if phase == "start":
            self.began = time.thread_time()
            return
        took = time.thread_time() - self.began
        self.longest, self.total = max(self.longest, took), self.total + took

    def give(self, file: Path) -> None:
        """Write what was seen, and begin again. It begins first: the reader goes on as soon as there is a file."""
        seen = json.dumps(asdict(self))
        self.longest = self.total = 0.0
        whole = file.with_suffix(".new")
        whole.write_text(seen)
        whole.rename(file)


def serve_watched(thresholds: str, freezes: str, file: str, arguments: Sequence[str]) -> None:
    """Run the gateway with these thresholds. At SIGUSR1, write what its collections took."""
    first, second, third = map(int, thresholds.split(","))
    garbage.COLLECTIONS = first, second, third
    if freezes == "no":
        garbage.freeze_old = lambda *_: None
    seen = Collections()
    gc.callbacks.append(seen.on_collection)
    signal.signal(signal.SIGUSR1, lambda *_: seen.give(Path(file)))
    gateway(arguments)


def taken(pid: int, file: Path) -> dict[str, float]:
    """What the collections of the gateway have taken since the last call."""
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    while not file.exists():
        time.sleep(0.01)
    seen: dict[str, float] = json.loads(file.read_text())
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a gateway with one choice of thresholds did under each load."""

    thresholds: tuple[int, int, int]
    freezes: bool
    longest_ms: tuple[float, ...]
    """The longest search, under each load."""
    shares: tuple[float, ...]
    """The part of the CPU time in all searches, under each load."""
    mb: float
    """Resident memory after the loads."""

    @property
    def is_own(self) -> bool:
        """Whether this is what the gateway does."""
        return self.freezes and self.thresholds == garbage.COLLECTIONS

    def line(self) -> str:
        """A row of the Markdown table."""
        name = ", ".join(f"{number:,}" for number in self.thresholds) if self.thresholds[0] else "none"
        cells = [f"**{name}**" if self.is_own else name, "frozen" if self.freezes else "searched again"]
        for longest_ms, share in zip(self.longest_ms, self.shares, strict=True):
            cells += [f"{longest_ms:.1f}", f"{share:.1%}"]
        return f"| {' | '.join([*cells, f'{self.mb:.0f}'])} |"


def measure(
    thresholds: tuple[int, int, int],
    load: Path,
    engine: int,
    folder: Path,
    *,
    freezes: bool,
    seconds: float,
    others: int,
) -> Row:
    """Measure a gateway with these thresholds."""
    port, file, text = free_port(), folder / "collections.json", ",".join(map(str, thresholds))
    watched = ("--serve", text, "yes" if freezes else "no", str(file))
    flags = ("serve", "--engine", f"http://127.0.0.1:{engine}", "--port", str(port), "--log-level", "error")
    longest_ms, shares = [], []
    with running("tests.benchmarks.garbage", *watched, *flags, port=port, core=0) as pid:
        measured(load, LOADS["4 kB"], port=port, pids=[pid], ping="", seconds=seconds / 2)  # the start is over then
        for kind, more in (("4 kB", 0), ("200 kB", 0), ("200 kB", others)):
            before = cpu_seconds(pid)
            taken(pid, file)
            with _in_flight(load, port, more) if more else nullcontext():
                measured(load, LOADS[kind], port=port, pids=[pid], ping="", seconds=seconds)
            seen = taken(pid, file)
            spent = (
                cpu_seconds(pid) - before
            )  # read outside of what `seen` covers, so that no search is counted beyond it
            longest_ms.append(1000 * seen["longest"])
            shares.append(seen["total"] / spent)
        mb = resident_mb([pid])
    return Row(thresholds=thresholds, freezes=freezes, longest_ms=tuple(longest_ms), shares=tuple(shares), mb=mb)


def conclusions(rows: Sequence[Row]) -> str:
    """What the table shows, as a Markdown list."""
    own, pythons, without = next(row for row in rows if row.is_own), rows[0], rows[-1]
    longest = max(own.longest_ms)
    verdict = "Reached" if longest <= LONGEST_MS else "Missed"
    return (
        f"- The gateway's searches take {longest:.1f} ms at most. {verdict}: the bar is {LONGEST_MS:.0f} ms, because "
        f"nothing else happens meanwhile. With Python's own choice it is {max(pythons.longest_ms):.1f} ms.\n"
        f"- They take up to {max(own.shares):.1%} of its CPU time, and {max(pythons.shares):.1%} with Python's own "
        f"choice.\n"
        f"- {own.mb:.0f} MB are in use after the loads, and {without.mb:.0f} MB without any search: "
        f"{'searches free little' if own.mb > 0.8 * without.mb else 'searches free the rest'}."
    )


@contextmanager
def _in_flight(load: Path, port: int, requests: int) -> Iterator[None]:
    """Requests whose answers do not begin, until the block ends."""
    with waiting(load, port=port, requests=requests, warm_ms=500) as clients:
        yield
        clients.communicate("end\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.garbage", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement (default 3)")
    parser.add_argument("--others", type=int, default=3000, help="requests that come and stay (default 3000)")
    given = parser.parse_args(arguments)
    os.sched_setaffinity(0, {1})
    loads = ("4 kB", "200 kB", f"200 kB, {given.others:,} others come")
    heads = [f"{load}: {what}" for load in loads for what in ("longest, ms", "of CPU")]
    print(f"| thresholds | then | {' | '.join(heads)} | MB |\n| --- | --- |{' ---: |' * (len(heads) + 1)}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        load, engine = compiled("load", folder), compiled("engine", folder)
        port = free_port()
        pin([stack.enter_context(started([str(engine), str(port)], port=port))], 1)
        rows = []
        for thresholds, freezes in CHOICES:
            row = measure(thresholds, load, port, folder, freezes=freezes, seconds=given.seconds, others=given.others)
            print(row.line(), flush=True)
            rows.append(row)
    print(f"\nWhat this shows:\n\n{conclusions(rows)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_watched(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
    else:
        main()
