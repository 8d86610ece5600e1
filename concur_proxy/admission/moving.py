"""How sessions come from one gate of a fleet to another."""

from collections.abc import Iterable, Mapping

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.roster import Roster
from concur_proxy.admission.session import Session
from concur_proxy.admission.standings import Standings
from concur_proxy.admission.ticket import Ticket


class Moving:
    """Moves sessions away from engines that cannot serve them, and to engines that can serve them sooner."""

    def __init__(
        self, gates: Mapping[str, SessionGate], roster: Roster, standings: Standings, placement: Placement
    ) -> None:
        self._gates = gates
        self._roster = roster
        self._standings = standings
        self._placement = placement
        self._leaving: set[str] = set()
        """Engines where somebody may wait who has to go elsewhere."""

    def touched(self, gate: SessionGate) -> SessionGate:
        """The gate, at which something is about to happen."""
        self._standings.touch(gate.engine)
        if self._roster.leads_nowhere(gate.engine):
            self._leaving.add(gate.engine)
        return gate

    def reconsider(self, engines: Iterable[str]) -> None:
        """Whoever waits for these engines may have to go elsewhere now."""
        self._leaving.update(engines)

    def choose(self, key: str, tokens: float, model: str | None, avoid: str | None) -> SessionGate:
        """The gate for a session that has none."""
        gates = [self._gates[engine] for engine in self._roster.candidates(model, avoid)]
        return self._placement.choose(gates, key=key, tokens=tokens)

    def move(self, session: Session, source: SessionGate, now: float) -> tuple[SessionGate, list[Ticket]]:
        """Place the session anew; returns where, and what that decided."""
        self.touched(source).part_with(session, "lost")
        gate = self.touched(self.choose(session.key, session.footprint, session.model, source.engine))
        return gate, gate.adopt(session, now=now)

    def evacuate(self, now: float) -> list[Ticket]:
        """Move the sessions that wait for an engine that cannot serve them to one that can, and of one that retires
        all that have nothing in flight.
        """
        decided: list[Ticket] = []
        if self._leaving:
            leaving, self._leaving = self._leaving, set()
            for gate in [gate for engine, gate in self._gates.items() if engine in leaving]:
                retires = gate.engine in self._roster.retiring
                for session in list(gate.sessions) if retires else gate.line():
                    if not session.in_flight and self._roster.has_lost(gate.engine, session.model):
                        decided += self.move(session, gate, now)[1]
        return decided

    def share(self, now: float) -> list[Ticket]:
        """Let an engine that has room serve who waits for another: a session that has waited to resume for long enough,
        whose cache is then computed again, and else a new one, which has none to lose.
        """
        decided: list[Ticket] = []
        if len(self._gates) == 1:
            return decided
        for gate in self._standings.to_ask(now):
            while not gate.waiting:
                more = self._take_mover(gate, now)
                if more is None:
                    more = self._take_new(gate, now)
                if more is None:
                    break
                decided += more
        return decided

    def _take_mover(self, gate: SessionGate, now: float) -> list[Ticket] | None:
        donor = self._standings.longest_waiting_mover(gate.engine)
        return None if donor is None else self._take(gate, donor, donor.first_waiting(), "waited", now)

    def _take_new(self, gate: SessionGate, now: float) -> list[Ticket] | None:
        donor = self._standings.longest_waiting_new(gate.engine)
        return None if donor is None else self._take(gate, donor, donor.first_new(), "shared", now)

    def _take(
        self, gate: SessionGate, donor: SessionGate, session: Session | None, reason: str, now: float
    ) -> list[Ticket] | None:
        """What was decided by the session's move; None where there is no room for it."""
        if session is None or not gate.make_room(session.footprint, now=now):
            return None
        self.touched(donor).part_with(session, reason)
        # The next in the donor's line may need less room than the one that stood before it.
        return self.touched(gate).adopt(session, now=now) + donor.expire(now=now)
