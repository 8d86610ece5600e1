"""Memory of known conversations, each case in a process of its own: `python -m tests.benchmarks.many_conversations`.

A fleet of one engine gets one request of each conversation, and its answer. Memory is what the process has in addition
to the empty fleet: the conversation tree, the sessions, and everything else that is kept for them. *at the limit* is
measured when as many conversations have come as are remembered, *in the end* when all have.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain

SHARED = 2
"""Segments that all conversations have in common: tools and system prompt."""
CASES = {
    "first prompts": (SHARED + 1, 100_000, 1_000_000),
    "60 messages": (SHARED + 60, 20_000, 20_000),
    "median of 44 real Claude Code sessions at their end": (104, 20_000, 20_000),
    "1,024 segments, the most": (1_024, 2_000, 4_000),
}
"""The segments of each conversation, how many are remembered, and how many come."""
ARRIVALS_S = 100.0
HEAD = """\
| conversations | segments each | limit | kept at the limit | bytes each | come | kept in the end | bytes each | MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def _gate(engine: str, numbers: Numbers) -> SessionGate:
    return SessionGate(options=GateOptions(), lease=LearnedLease(), window=1e9, engine=engine, numbers=numbers)


def _chain(number: int, segments: int) -> Chain:
    first = number * 2048
    words = (index if index < SHARED else 2048 + first + index for index in range(segments))
    hashes = b"".join(word.to_bytes(HASH_BYTES, "little") for word in words)
    return Chain(hashes, (3_500).to_bytes(SIZE_BYTES, "little") * segments, head=SHARED)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(name: str) -> str:
    """Run one case in this process; returns its row."""
    segments, limit, count = CASES[name]
    fleet = Fleet(engines=["http://127.0.0.1:8000"], make_gate=_gate, most_conversations=limit)
    answered = Answered(prompt_tokens=900 * segments, completion_tokens=300, first_token_s=0.3, cached_tokens=1_800)
    before, figures = _resident(), []
    for number in range(count):
        arrival = Arrival(chain=_chain(number, segments), model="qwen", hold_s=60.0, body_bytes=3_500 * segments)
        now = number / ARRIVALS_S
        fleet.finish(fleet.arrive(arrival, now=now)[0], answered, now=now + 1.0)
        if number + 1 in (limit, count):
            grown, kept = _resident() - before, sum(len(gate.sessions) for gate in fleet.gates.values())
            figures.append((kept, grown / kept, grown))
    (kept, each, _), (last, last_each, grown) = figures[0], figures[-1]
    return (
        f"| {name} | {segments} | {limit:,} | {kept:,} | {each:,.0f} | {count:,} | {last:,} | {last_each:,.0f} "
        f"| {grown / 1e6:,.0f} |"
    )


def print_table() -> None:
    """Run every case in a process of its own, and print the table."""
    print(HEAD, flush=True)
    for name in CASES:
        command = (sys.executable, "-m", __name__ if __name__ != "__main__" else __spec__.name, "--case", name)
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)
    print()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.many_conversations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--case", choices=CASES, help="run only this case, in this process")
    given = parser.parse_args(arguments)
    if given.case:
        print(measure(given.case))
    else:
        print_table()


if __name__ == "__main__":
    main()
