"""The cost of many engines: `python -m tests.benchmarks.fleet` measures the time of an event
with more and more engines.

The window of each engine is full, and sessions wait. A *turn* is a request of an active session and its answer. A
*decision* consists of three events: a session arrives and joins a queue, another session ends, and the next one in line
is released. All figures are medians of several rounds.
"""

import argparse
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.ticket import Ticket

ENGINES = (1, 4, 16, 64)
WINDOW = 16
QUEUED = 100
"""Waiting sessions per engine."""
BODY_BYTES = 20_000
HEAD = """\
| engines | us per turn | us per decision |
| ---: | ---: | ---: |"""


class Crowd:
    """A fleet with full windows."""

    def __init__(self, engines: int) -> None:
        options = GateOptions(max_waiting_sessions=10 * QUEUED)

        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            return SessionGate(options=options, lease=LearnedLease(), window=WINDOW, engine=engine, numbers=numbers)

        self.fleet = Fleet(engines=[f"engine-{number}" for number in range(engines)], make_gate=make_gate)
        self.running: deque[Ticket] = deque()
        self._names = count()
        self._now = 0.0
        for _ in range(engines * (WINDOW + QUEUED)):
            self._send(f"agent-{next(self._names)}")

    def turn(self) -> None:
        """A request of an active session, and its answer."""
        ticket = self.running.popleft()
        self._send(ticket.session.key)
        self._finish(ticket)

    def decide(self) -> None:
        """A session arrives, the first one ends, and the next one in the queue is released. The timer is
        read each time, as in the gateway.
        """
        self._send(f"agent-{next(self._names)}")
        ticket = self.running.popleft()
        self._finish(ticket)
        self.running.extend(self.fleet.apply(EndSession(key=ticket.session.key), now=self._now))

    def _send(self, key: str) -> None:
        self._now += 0.001
        _, decided = self.fleet.arrive(Arrival(key=key, body_bytes=BODY_BYTES, hold_s=1e6), now=self._now)
        self.running.extend(decided)
        self.fleet.next_deadline()

    def _finish(self, ticket: Ticket) -> None:
        tokens = BODY_BYTES // 4
        answered = Answered(prompt_tokens=tokens, completion_tokens=200, cached_tokens=tokens)
        self.running.extend(self.fleet.finish(ticket, answered, now=self._now))
        self.fleet.next_deadline()


def microseconds(event: Callable[[], None], *, rounds: int, events: int) -> float:
    """Median time of one event."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(events):
            event()
        times.append(1e6 * (time.perf_counter() - start) / events)
    return median(times)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds; the median is shown (default 9)")
    parser.add_argument("--events", type=int, default=3_000, help="events per round (default 3000)")
    given = parser.parse_args(arguments)
    print(HEAD)
    for engines in ENGINES:
        crowd = Crowd(engines)
        turn, decision = (
            microseconds(event, rounds=given.rounds, events=given.events) for event in (crowd.turn, crowd.decide)
        )
        print(f"| {engines} | {turn:.1f} | {decision:.1f} |", flush=True)


if __name__ == "__main__":
    main()
