"""How sessions come from one gate of a fleet to another."""

from collections.abc import Iterable

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gates import Gates
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.session import Session
from concur_proxy.admission.standings import first_free
from concur_proxy.admission.ticket import Ticket


class Moving:
    """Moves sessions away from engines that cannot serve them, and to engines that can serve them sooner."""

    def __init__(self, gates: Gates, placement: Placement) -> None:
        self._gates = gates
        self._roster = gates.roster
        self._standings = gates.standings
        self._placement = placement
        self._leaving: set[str] = set()
        """Engines with sessions that may have to go to another engine."""

    def touched(self, gate: SessionGate) -> SessionGate:
        """Note that something is about to happen at the gate; returns the gate."""
        self._standings.touch(gate.engine)
        if self._roster.leads_nowhere(gate.engine):
            self._leaving.add(gate.engine)
        return gate

    def reconsider(self, engines: Iterable[str]) -> None:
        """Check the sessions that wait for these engines again: they may have to go elsewhere."""
        self._leaving.update(engines)

    def reconsider_all(self) -> None:
        """Check every session that waits or is idle again: it may have to go elsewhere, or may be able to."""
        self._gates.touch_all()
        self._leaving.update(self._gates.by_engine)

    def choose(self, name: str, tokens: float, model: str | None, avoid: str | None) -> SessionGate:
        """Choose a gate for a session that has no gate yet."""
        gates = [self._gates.by_engine[engine] for engine in self._roster.candidates(model, avoid)]
        return self._placement.choose(gates, key=name, tokens=tokens)

    def home_of(self, arrival: Arrival) -> SessionGate | None:
        """The gate of the engine that keeps the response that the request continues, if it can be used."""
        if arrival.home is None or arrival.home not in self._roster.candidates(arrival.model, arrival.avoid):
            return None
        return self._gates.by_engine[arrival.home]

    def move(self, session: Session, source: SessionGate, now: float) -> tuple[SessionGate, list[Ticket]]:
        """Move the session to another gate; returns that gate, and what the move decided."""
        gate = self.choose(session.key, session.footprint, session.model, source.engine)
        return self._hand_over(session, source, gate, "lost", now)

    def bring(
        self, session: Session, source: SessionGate, home: SessionGate, now: float
    ) -> tuple[SessionGate, list[Ticket]]:
        """Move the session to the gate that keeps its response, unless it is there; returns as `move` does."""
        return (home, []) if source is home else self._hand_over(session, source, home, "home", now)

    def _hand_over(
        self, session: Session, source: SessionGate, target: SessionGate, reason: str, now: float
    ) -> tuple[SessionGate, list[Ticket]]:
        self.touched(source).handover.part_with(session, reason)
        return target, self.touched(target).handover.adopt(session, now)

    def settle(self, now: float) -> list[Ticket]:
        """Carry out what an event at one gate causes at others. Retiring engines that have no sessions left are
        forgotten.
        """
        decided = self._share(now)
        if self._roster.retiring:
            decided += self.evacuate(now)
            self._gates.remove_retired()
        return decided

    def evacuate(self, now: float) -> list[Ticket]:
        """Move the sessions that wait for an engine that cannot serve them to one that can. From an engine that
        retires, move all sessions that have nothing in flight.
        """
        decided: list[Ticket] = []
        if self._leaving:
            leaving, self._leaving = self._leaving, set()
            for gate in [gate for engine, gate in self._gates.by_engine.items() if engine in leaving]:
                retires = gate.engine in self._roster.retiring
                for session in list(gate.sessions if retires else gate.line):
                    if not session.in_flight and self._roster.has_lost(gate.engine, session.model):
                        decided += self.move(session, gate, now)[1]
        return decided

    def _share(self, now: float) -> list[Ticket]:
        """Let an engine that has room serve a session that waits for another one. A session that has waited long enough
        to resume elsewhere comes first, although its cache must be computed again there. A new session comes next: it
        has no cache to lose.
        """
        decided: list[Ticket] = []
        if self._gates.only is not None:
            return decided
        for gate in self._standings.to_ask(now):
            while not gate.queue:
                more = self._take_mover(gate, now)
                if more is None:
                    more = self._take_new(gate, now)
                if more is None:
                    break
                decided += more
        return decided

    def _take_mover(self, gate: SessionGate, now: float) -> list[Ticket] | None:
        donor = self._standings.longest_waiting_mover(gate.engine)
        return None if donor is None else self._take(gate, donor, donor.queue.head(), "waited", now)

    def _take_new(self, gate: SessionGate, now: float) -> list[Ticket] | None:
        donor = self._standings.longest_waiting_new(gate.engine)
        return None if donor is None else self._take(gate, donor, first_free(donor), "shared", now)

    def _take(
        self, gate: SessionGate, donor: SessionGate, session: Session | None, reason: str, now: float
    ) -> list[Ticket] | None:
        """Move the session if there is room for it. Returns what this decided, or None if there is no room."""
        if session is None or not gate.make_room_for(session, now=now):
            return None
        self.touched(donor).handover.part_with(session, reason)
        # The next session in the donor's queue may need less room than the one that has left.
        return self.touched(gate).handover.adopt(session, now) + donor.expire(now=now)
