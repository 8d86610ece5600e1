"""What one process tells another of a fleet's sessions, and how that one goes on with them."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.fleet_state import FleetState, beside
from concur_proxy.admission.record import SessionRecord
from concur_proxy.admission.ticket import Ticket


class FleetHandover(FleetState):
    """Records sessions for another process, and goes on with those, and with the requests, that another one had."""

    def note_changes(self, changes: set[str]) -> None:
        """Put the keys of sessions that change into `changes`, from now on."""
        self._changes = changes
        for gate in self._gates.values():
            gate.sessions.note_changes(changes)

    def record(self, key: str, *, now: float) -> SessionRecord | None:
        """What must be kept of the session; None when there is nothing: it is over, or of one request."""
        gate, session = self._find(key)
        if gate is None or session is None or session.one_shot:
            return None
        return SessionRecord.of(session, gate.engine, now=now)

    def restore(self, record: SessionRecord, *, now: float) -> None:
        """Know a session again, with its place if it had one. One that is known is left as it is."""
        if record.key not in self._homes:
            engine = record.engine if record.engine in self._gates else self._roster.candidates(record.model)[0]
            self._moving.touched(self._gates[engine]).restore(
                record.session(rank=self._numbers.take(record.rank), now=now)
            )

    def claim(self, arrival: Arrival, *, engine: str, rank: int | None, now: float) -> tuple[Ticket, list[Ticket]]:
        """A request that another process released is at `engine`: its session holds a place there, whatever the window
        says. A session that is known elsewhere comes along; `ValueError` for an engine that there is not.
        """
        if engine not in self._gates:
            raise ValueError(f"no engine {engine}")
        name = self._name(arrival)
        moved: list[Ticket] = []
        home, session = self._find(name)
        if home is not None and session is not None and home.engine != engine:
            if session.in_flight:
                name = beside(name, engine)
            else:
                self._moving.touched(home).part_with(session, "moved")
                moved = self._moving.touched(self._gates[engine]).adopt(session, now=now)
        ticket, decided = self._moving.touched(self._gates[engine]).claim(name, arrival, rank=rank, now=now)
        return ticket, moved + decided + self._settle(now)
