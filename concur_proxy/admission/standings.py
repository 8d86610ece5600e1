"""How the gates of a fleet compare, so that no event needs to look at all of them."""

import math
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import islice

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.roster import Roster
from concur_proxy.admission.session import Session, SessionState

LOOKED_AT = 64
"""Sessions at the front of a queue among which one is looked for that may go to another engine."""
SLACK = 64
"""How many more outdated entries than values are kept before they are removed."""


class Standings:
    """The values by which the fleet compares gates. They are updated only for gates that an event has touched."""

    def __init__(self, gates: Mapping[str, SessionGate], roster: Roster, *, move_after_s: float = math.inf) -> None:
        """`move_after_s`: how long a session waits to resume where its cache was before it may resume elsewhere."""
        self._gates = gates
        self._roster = roster
        self._order = {engine: number for number, engine in enumerate(gates)}
        self._touched = set(gates)
        self._stale: set[str] = set()
        """Gates where a lease has ended. They are read again, although no event has touched them."""
        self._deadlines = Earliest()
        self._heads: dict[str, tuple[int, float, str | None]] = {}
        """Seniority, footprint and model of the first new session in each queue."""
        self._seniority = Earliest()
        """The seniority of the first new session in each queue, to find the lowest."""
        self._move_after_s = move_after_s
        self._moves = Earliest()
        """For each queue whose next session waits to resume: when this session may resume elsewhere."""
        self._movers: dict[str, Session] = {}
        """The sessions that may resume elsewhere now, by the engine of their queue."""
        self._takers: set[str] = set()
        """Engines that could serve a session of another engine: their own queues are empty."""
        self._lapses = Earliest()
        """When the next lease ends on each taker."""
        self._unasked: set[str] = set()
        """Takers that may have got room since `to_ask` was last called."""
        self._have_heads_changed = True

    def add(self, engine: str) -> None:
        """A gate was added."""
        self._order[engine] = 1 + max(self._order.values(), default=0)
        self._touched.add(engine)

    def remove(self, engine: str) -> None:
        """A gate was removed."""
        del self._order[engine]
        for index in (self._deadlines, self._seniority, self._moves, self._lapses):
            index.put(engine, None)
        self._heads.pop(engine, None)
        self._movers.pop(engine, None)
        for engines in (self._takers, self._touched, self._stale, self._unasked):
            engines.discard(engine)

    def touch(self, engine: str) -> None:
        """Note that something has changed at this engine or its gate."""
        self._touched.add(engine)

    def next_deadline(self) -> float | None:
        """The next time at which something happens without another event, or None."""
        self._refresh()
        firsts = (self._deadlines.first(), self._moves.first() if self._takers else None)
        times = [first[0] for first in firsts if first is not None]
        if (self._heads or self._movers) and (lapse := self._next_lapse()) is not None:
            times.append(lapse)
        return min(times, default=None)

    def due(self, now: float) -> list[SessionGate]:
        """The gates with a deadline that has passed."""
        self._refresh()
        due = self._deadlines.pop(now)
        self._touched |= due
        return self._in_order(due)

    def longest_waiting_mover(self, taker: str) -> SessionGate | None:
        """The gate from whose queue this engine may take the first session to resume it, or None.

        A session is considered once it has waited `move_after_s`. The most senior one is chosen.
        """
        self._refresh()
        movers = [
            (session.seniority, engine)
            for engine, session in self._movers.items()
            if engine != taker and self._roster.takes(taker, session.model)
        ]
        return self._gates[min(movers)[1]] if movers else None

    def longest_waiting_new(self, taker: str) -> SessionGate | None:
        """The gate from whose queue this engine may take the first new session, or None. The most senior of these
        sessions is chosen.
        """
        self._refresh()
        first = self._seniority.first()
        if first is None or self._may_take(taker, first[1]):
            return None if first is None else self._gates[first[1]]
        others = [(head[0], engine) for engine, head in self._heads.items() if self._may_take(taker, engine)]
        return self._gates[min(others)[1]] if others else None

    def to_ask(self, now: float) -> list[SessionGate]:
        """The gates that may have got room for a session from another queue since the last call. Empty if no
        waiting session may go to another engine.
        """
        self._refresh()
        for engine in self._moves.pop(now):
            mover = self._gates[engine].queue.head()
            if mover is not None:
                self._movers[engine] = mover
                self._have_heads_changed = True
        if not self._heads and not self._movers:
            return []
        lapsed = self._lapses.pop(now)
        self._stale |= lapsed
        asked = self._takers if self._have_heads_changed else (self._unasked & self._takers) | lapsed
        self._have_heads_changed = False
        self._unasked = set()
        return self._in_order(asked)

    def _may_take(self, taker: str, donor: str) -> bool:
        return taker != donor and self._roster.takes(taker, self._heads[donor][2])

    def _next_lapse(self) -> float | None:
        """When the next lease ends on an engine that may take the first session of another queue."""
        if self._roster.is_uniform:
            first = self._lapses.first()
            return None if first is None else first[0]
        models = {head[2] for head in self._heads.values()} | {session.model for session in self._movers.values()}
        useful = (engine for engine in self._takers if any(self._roster.serves(engine, model) for model in models))
        return min((time for engine in useful if (time := self._lapses.get(engine)) is not None), default=None)

    def _in_order(self, engines: set[str]) -> list[SessionGate]:
        return [self._gates[engine] for engine in sorted(engines, key=self._order.__getitem__)]

    def _refresh(self) -> None:
        if self._touched or self._stale:
            for engine in self._touched | self._stale:
                self._read(engine)
            self._unasked |= self._touched
            self._touched.clear()
            self._stale.clear()

    def _read(self, engine: str) -> None:
        gate = self._gates[engine]
        queue = gate.queue
        self._deadlines.put(engine, gate.next_deadline())
        first = first_free(gate)
        head = None if first is None else (first.seniority, first.footprint, first.model)
        if head != self._heads.get(engine):
            self._have_heads_changed = True
            self._seniority.put(engine, None if head is None else head[0])
            if head is None:
                del self._heads[engine]
            else:
                self._heads[engine] = head
        mover = queue.head()
        self._read_mover(engine, None if mover is None or is_bound(mover, gate) else mover)
        takes = not queue and not self._roster.leads_nowhere(engine)
        if takes:
            self._takers.add(engine)
        else:
            self._takers.discard(engine)
        self._lapses.put(engine, gate.next_lapse() if takes else None)

    def _read_mover(self, engine: str, head: Session | None) -> None:
        if head is not None and self._movers.get(engine) is head:
            return
        self._movers.pop(engine, None)
        if head is None or head.state is not SessionState.PAUSED or self._move_after_s == math.inf:
            self._moves.put(engine, None)
        else:
            self._moves.put(engine, next(iter(head.held)).arrived_at + self._move_after_s)


def is_bound(session: Session, gate: SessionGate) -> bool:
    """Whether a request of the session waits that only this gate's engine can answer."""
    return any(ticket.arrival.home == gate.engine for ticket in session.held)


def first_free(gate: SessionGate) -> Session | None:
    """The first new session in the gate's queue that any engine can serve, or one that is too large for the queue. Only
    the first `LOOKED_AT` sessions are looked at if the first new one is bound to this engine.
    """
    first = gate.queue.first_new() or gate.apart.first_new()
    if first is None or not is_bound(first, gate):
        return first
    near = islice(gate.queue, LOOKED_AT)
    return next((each for each in near if each.state is not SessionState.PAUSED and not is_bound(each, gate)), None)


class Earliest:
    """Values by key, and which is the least. Changing a value and asking cost O(log n) on average."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Every value, and outdated ones that have not reached the front yet."""

    def put(self, key: str, value: float | None) -> None:
        """Set the key's value, or remove it with None."""
        if value == self._values.get(key):
            return
        if value is None:
            del self._values[key]
            return
        self._values[key] = value
        heappush(self._heap, (value, key))
        if len(self._heap) > 2 * len(self._values) + SLACK:
            self._heap = [(kept, name) for name, kept in self._values.items()]
            heapify(self._heap)

    def get(self, key: str) -> float | None:
        """The key's value, or None."""
        return self._values.get(key)

    def first(self) -> tuple[float, str] | None:
        """The least value and its key, or None if there are no values."""
        heap = self._heap
        while heap and self._values.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0] if heap else None

    def pop(self, limit: float) -> set[str]:
        """Remove and return the keys whose values are at most `limit`."""
        keys = set()
        while (first := self.first()) is not None and first[0] <= limit:
            del self._values[first[1]]
            keys.add(first[1])
        return keys
