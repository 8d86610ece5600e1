"""The cost of admission: `python -m tests.benchmarks.admission` measures the time of a decision and the memory of a
waiting session, with more and more sessions waiting, and the time of a turn where nobody waits.

A decision consists of three events: a session arrives and joins the queue, another session ends, and the next session
in the queue is released. Time is the median of several rounds. Memory is counted by `tracemalloc`, in a separate run.

A turn is the arrival and the end of a request of a session that has a place: all that admission costs a gateway with
room. 64 sessions of 32 turns, whose prompts of 4 kB grow by two messages, take turns. CPU time, the best of the rounds.
"""

import argparse
import asyncio
import gc
import json
import time
import tracemalloc
from collections import deque
from collections.abc import Sequence
from itertools import count
from statistics import median

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.orders.fair import Fair
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.recognition.segments import chain_of
from concur_proxy.recognition.whereabouts import Whereabouts
from concur_proxy.wire.request.view import RequestReader

SIZES = (100, 1_000, 10_000, 100_000)
WINDOW = 64
BODY_BYTES = 20_000
HOLD_S = 540.0
SESSIONS, TURNS = 64, 32
GAP_S, ANSWER_S = 0.0005, 0.0002
"""Seconds between two requests of different sessions, in two parts: the gateway is as busy as it can be."""
ANSWERED = Answered(prompt_tokens=1000, completion_tokens=150, cached_tokens=900, first_token_s=0.01)
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


class Turns:
    """A gateway's admission with room for all sessions."""

    def __init__(self) -> None:
        self._now = 0.0
        self._fleet = Fleet(engines=["e"], make_gate=_gate)
        self._coordinator = LocalCoordinator(self._fleet, lambda: self._now)
        for gate in self._fleet.gates.values():
            gate.resize(1e9, now=0.0, budget=Budget(tokens=1e8, reserve_turns=1.0))

    async def round(self, number: int) -> float:
        """Let new sessions take their turns. Returns the CPU time of a turn in microseconds."""
        turns = [_turns(f"{number}-{session}") for session in range(SESSIONS)]
        last: list[Ticket | None] = [None] * SESSIONS
        self._now += 60.0
        began = time.process_time()
        for turn in range(TURNS):
            for session, arrivals in enumerate(turns):
                ticket = last[session]
                if ticket is not None:
                    self._coordinator.finish(ticket, ANSWERED)
                self._now += ANSWER_S
                last[session] = self._coordinator.arrive(arrivals[turn])
                self._now += GAP_S
        spent = time.process_time() - began
        if any(ticket is None or ticket.outcome is None for ticket in last):
            raise RuntimeError("a session waits, although there is room")
        return 1e6 * spent / (SESSIONS * TURNS)

    async def best(self, rounds: int) -> float:
        """The fastest of several rounds, in microseconds."""
        times = [await self.round(number) for number in range(rounds)]
        await self._coordinator.stop()
        return min(times)


def _gate(engine: str, numbers: Numbers) -> SessionGate:
    return SessionGate(
        options=GateOptions(), lease=LearnedLease(), window=1e9, engine=engine, numbers=numbers, order=Fair()
    )


def _turns(name: str) -> list[Arrival]:
    """The requests of a session, each two messages longer than the one before."""
    messages = [{"role": "system", "content": "s" * 900}, {"role": "user", "content": name + "u" * 1800}]
    arrivals, reader = [], RequestReader()
    for turn in range(TURNS):
        view = reader.view("POST", b"/", "/v1/chat/completions", [])
        view.body = json.dumps({"model": "m", "messages": messages}).encode()
        arrivals.append(Arrival(key=name, chain=chain_of(view), model="m", body_bytes=len(view.body), hold_s=HOLD_S))
        messages += [{"role": role, "content": f"{turn} {role}"} for role in ("assistant", "user")]
    return arrivals


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.admission", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds; the median is shown (default 9)")
    parser.add_argument("--turns", type=int, default=5_000, help="decisions per round (default 5000)")
    given = parser.parse_args(arguments)
    print(HEAD)
    for queued in SIZES:
        times = microseconds(queued, rounds=given.rounds, turns=given.turns)
        print(f"| {queued:,} | {median(times):.1f} | {max(times):.1f} | {bytes_each(queued):,.0f} |", flush=True)
    print(f"\nA turn of a session with a place: {asyncio.run(Turns().best(given.rounds)):.1f} us.", flush=True)


if __name__ == "__main__":
    main()
