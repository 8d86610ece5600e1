"""How the gates of a fleet stand to each other, so that no event need look at all of them."""

from collections.abc import Mapping

from concur_proxy.admission.earliest import Earliest
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.roster import Roster


class Standings:
    """What the fleet compares gates by, read anew only from those that an event has touched."""

    def __init__(self, gates: Mapping[str, SessionGate], roster: Roster) -> None:
        self._gates = gates
        self._roster = roster
        self._order = {engine: number for number, engine in enumerate(gates)}
        self._touched = set(gates)
        self._stale: set[str] = set()
        """Gates whose lapsed places were asked for: to be read anew, though nothing else has happened there."""
        self._deadlines = Earliest()
        self._heads: dict[str, tuple[int, float, str | None]] = {}
        """Rank, footprint and model of each line's first new session."""
        self._seniority = Earliest()
        """The ranks of these."""
        self._takers: set[str] = set()
        """Engines that could serve a session that waits for another: nobody waits there."""
        self._lapses = Earliest()
        """When the next lease ends on each of them."""
        self._unasked: set[str] = set()
        """Takers that may have got room since they were last asked."""
        self._have_heads_changed = True

    def touch(self, engine: str) -> None:
        """Something has happened at this engine's gate, or to the engine."""
        self._touched.add(engine)

    def next_deadline(self) -> float | None:
        """When time alone makes something happen, or None."""
        self._refresh()
        deadline = self._deadlines.first()
        times = (None if deadline is None else deadline[0], self._next_lapse() if self._heads else None)
        return min((time for time in times if time is not None), default=None)

    def due(self, now: float) -> list[SessionGate]:
        """The gates that have something to do because time has passed."""
        self._refresh()
        due = self._deadlines.pop(now)
        self._touched |= due
        return self._in_order(due)

    def longest_waiting_new(self, taker: str) -> SessionGate | None:
        """The gate in whose line stands the most senior of the waiting new sessions that this engine may take, of the
        first in each line; or None.
        """
        self._refresh()
        first = self._seniority.first()
        if first is None or self._may_take(taker, first[1]):
            return None if first is None else self._gates[first[1]]
        others = [(head[0], engine) for engine, head in self._heads.items() if self._may_take(taker, engine)]
        return self._gates[min(others)[1]] if others else None

    def to_ask(self, now: float) -> list[SessionGate]:
        """The takers that may have room for a new session which they had none for when this was last called; none
        when no new session waits.
        """
        self._refresh()
        if not self._heads:
            return []
        lapsed = self._lapses.pop(now)
        self._stale |= lapsed
        asked = self._takers if self._have_heads_changed else (self._unasked & self._takers) | lapsed
        self._have_heads_changed = False
        self._unasked = set()
        return self._in_order(asked)

    def _may_take(self, taker: str, donor: str) -> bool:
        return self._roster.takes(taker, self._heads[donor][2])

    def _next_lapse(self) -> float | None:
        """When a lease ends on an engine that may take one of the heads."""
        if self._roster.is_uniform:
            first = self._lapses.first()
            return None if first is None else first[0]
        models = {head[2] for head in self._heads.values()}
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
        self._deadlines.put(engine, gate.next_deadline())
        first = gate.first_new()
        head = None if first is None else (first.rank, first.footprint, first.model)
        if head != self._heads.get(engine):
            self._have_heads_changed = True
            self._seniority.put(engine, None if head is None else head[0])
            if head is None:
                del self._heads[engine]
            else:
                self._heads[engine] = head
        takes = not gate.waiting and not self._roster.is_down(engine)
        if takes:
            self._takers.add(engine)
        else:
            self._takers.discard(engine)
        self._lapses.put(engine, gate.next_lapse() if takes else None)
