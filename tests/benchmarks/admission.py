"""The cost of admission: `python -m tests.benchmarks.admission` measures the time of a decision and the memory of a
waiting session, with more and more sessions waiting.

A decision consists of three events: a session arrives and joins the queue, another session ends, and the next session
in the queue is released. Time is the median of several rounds. Memory is counted by `tracemalloc`, in a separate run.
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
from concur_proxy.recognition.conversations import Whereabouts

SIZES = (100, 1_000, 10_000, 100_000)
WINDOW = 64
BODY_BYTES = 20_000
HOLD_S = 540.0
HEAD = """\
| waiting sessions | us per decision | us in the worst round | bytes per waiting session |
| ---: | ---: | ---: | ---: |"""


class Crowd:
    """A gate with a full window and waiting sessions."""

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
        """One more session arrives. Its key is as long as those of real clients."""
        self._now += 0.001
        key = f"agent-{next(self._names):032d}"
        _, decided = self.gate.arrive(
            Whereabouts(session=key, is_one_shot=True), Arrival(body_bytes=BODY_BYTES, hold_s=HOLD_S), now=self._now
        )
        self.running.extend(decided)

    def turn_over(self) -> None:
        """A session arrives, the first one ends, and the next one in the queue is released."""
        self.come()
        answered = Answered(prompt_tokens=BODY_BYTES // 4, completion_tokens=200)
        decided = self.gate.finish(self.running.popleft(), answered, now=self._now)
        self.running.extend(decided)

    def check(self, queued: int) -> None:
        """Check that as many sessions wait and run as the measurement needs."""
        if (self.gate.waiting, self.gate.active) != (queued, WINDOW):
            raise RuntimeError(f"{self.gate.waiting} wait and {self.gate.active} run, not {queued} and {WINDOW}")


def microseconds(queued: int, *, rounds: int, turns: int) -> list[float]:
    """Microseconds per decision with this number of waiting sessions, for each round."""
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
    """Memory of a waiting session with its key, its ticket and its index entries, in bytes."""
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
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.admission", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds; the median is shown (default 9)")
    parser.add_argument("--turns", type=int, default=5_000, help="decisions per round (default 5000)")
    given = parser.parse_args(arguments)
    print(HEAD)
    for queued in SIZES:
        times = microseconds(queued, rounds=given.rounds, turns=given.turns)
        print(f"| {queued:,} | {median(times):.1f} | {max(times):.1f} | {bytes_each(queued):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
