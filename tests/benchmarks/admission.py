"""What admission costs: `python -m tests.benchmarks.admission` times decisions with more and more sessions queued, and
weighs a waiting session.

A decision here is all three events of a session's passage: one comes and joins the line, one ends, and the next in line
is released. Time is the median of several rounds; memory is counted by `tracemalloc`, apart from the timing.
"""

import argparse
import gc
import time
import tracemalloc
from collections import deque
from collections.abc import Sequence
from itertools import count
from statistics import median

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import LearnedLease
from concur_proxy.admission.ticket import Ticket

SIZES = (100, 1_000, 10_000, 100_000)
WINDOW = 64
BODY_BYTES = 20_000
HOLD_S = 540.0
HEAD = """\
| queued sessions | us a decision | us the worst round | bytes a waiting session |
| ---: | ---: | ---: | ---: |"""


class Crowd:
    """A gate whose window is full, and sessions in line."""

    def __init__(self, queued: int) -> None:
        self.gate = SessionGate(
            options=GateOptions(max_waiting_sessions=max(SIZES) + 1), lease=LearnedLease(), window=WINDOW
        )
        self.running: deque[Ticket] = deque()
        self._names = count()
        self._now = 0.0
        for _ in range(WINDOW + queued):
            self.come()

    def come(self) -> None:
        """One more session; a whole key, as clients send them."""
        self._now += 0.001
        key = f"agent-{next(self._names):032d}"
        _, decided = self.gate.arrive(key, Arrival(body_bytes=BODY_BYTES, hold_s=HOLD_S), now=self._now)
        self.running.extend(decided)

    def turn_over(self) -> None:
        """One comes, the first one ends, the next in line passes."""
        self.come()
        answered = Answered(prompt_tokens=BODY_BYTES // 4, completion_tokens=200)
        decided = self.gate.finish(self.running.popleft(), answered, now=self._now)
        self.running.extend(decided)

    def check(self, queued: int) -> None:
        """The crowd is what was to be measured."""
        if (self.gate.waiting, self.gate.active) != (queued, WINDOW):
            raise RuntimeError(f"{self.gate.waiting} wait and {self.gate.active} run, not {queued} and {WINDOW}")


def microseconds(queued: int, *, rounds: int, turns: int) -> list[float]:
    """Time of one decision with so many in line, by round."""
    crowd = Crowd(queued)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(turns):
            crowd.turn_over()
        times.append(1e6 * (time.perf_counter() - start) / turns)
    crowd.check(queued)
    return times


def bytes_each(queued: int) -> float:
    """Memory of one waiting session with its key, its ticket and its places in the indexes."""
    tracemalloc.start()
    crowd = Crowd(0)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(queued):
        crowd.come()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    crowd.check(queued)
    return (after - before) / queued


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.admission", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of which the median counts (default 9)")
    parser.add_argument("--turns", type=int, default=5_000, help="decisions a round (default 5000)")
    given = parser.parse_args(arguments)
    print(HEAD)
    for queued in SIZES:
        times = microseconds(queued, rounds=given.rounds, turns=given.turns)
        print(f"| {queued:,} | {median(times):.1f} | {max(times):.1f} | {bytes_each(queued):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
