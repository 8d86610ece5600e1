"""What a fleet knows, and the questions that can be put to it."""

import math
from collections.abc import Callable, Mapping, Sequence

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.changes import Change, EngineChange, SessionChange
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.moving import Moving
from concur_proxy.admission.numbers import Numbers
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.placements.least_pressure import LeastPressure
from concur_proxy.admission.roster import Roster
from concur_proxy.admission.session import Session
from concur_proxy.admission.standings import Standings
from concur_proxy.admission.ticket import Ticket

GateFactory = Callable[[str, Numbers], SessionGate]
"""Makes the gate of an engine, by the engine's name and the fleet-wide numbers for seniority."""


class FleetState:
    """The gates of a fleet, and what is known about all of them together."""

    def __init__(
        self,
        *,
        engines: Sequence[str],
        make_gate: GateFactory,
        placement: Placement | None = None,
        move_after_s: float = math.inf,
        after: int = 0,
    ) -> None:
        """`move_after_s`: how long a session that was paused waits for its own engine before another may take it.
        `after`: larger than any seniority that another process gave before.
        """
        if not engines:
            raise ValueError("a fleet needs at least one engine")
        self._numbers = Numbers(after=after)
        self._gates = {engine: make_gate(engine, self._numbers) for engine in engines}
        self._homes: dict[str, str] = {}
        for engine, gate in self._gates.items():
            gate.sessions.list_in(self._homes, engine)
        self._roster = Roster(engines)
        self._standings = Standings(self._gates, self._roster, move_after_s=move_after_s)
        self._moving = Moving(self._gates, self._roster, self._standings, placement or LeastPressure())
        self._make_gate = make_gate
        self._is_draining = False
        self._changes: set[str] | None = None

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine."""
        return self._gates

    @property
    def down(self) -> frozenset[str]:
        """Engines that take no new sessions because they could not be reached."""
        return self._roster.down

    def knows(self, change: Change) -> bool:
        """Whether the session or engine that the change names is known."""
        if isinstance(change, SessionChange):
            return change.key in self._homes
        return not isinstance(change, EngineChange) or change.engine in self._gates

    def models_of(self, engine: str) -> frozenset[str] | None:
        """The models that the engine serves; None: not known."""
        return self._roster.models_of(engine)

    def candidates(self, model: str | None) -> list[str]:
        """The engines to which a request outside of any session may go, the first of them first."""
        return self._roster.candidates(model)

    def next_deadline(self) -> float | None:
        """When `expire` has something to do, or None."""
        if len(self._gates) == 1:
            return next(iter(self._gates.values())).next_deadline()
        return self._standings.next_deadline()

    def expected_wait(self, ticket: Ticket, *, now: float) -> tuple[int, float]:
        """A held or refused ticket's place in its line, from 1, and the seconds that this place will probably take."""
        gate = self._gate_of(ticket)
        if gate is None:
            return 1, 0.0
        position = gate.position(ticket)
        return position, gate.expected_wait_s(position, now=now)

    def _name(self, arrival: Arrival) -> str:
        """What the request's session is called here; one without a key gets a name that no key can be."""
        return f"\0{next(self._numbers)}" if arrival.key is None else arrival.key

    def _home(self, key: str) -> SessionGate | None:
        """The gate that knows the session, or None."""
        engine = self._homes.get(key)
        return None if engine is None else self._gates[engine]

    def _find(self, key: str) -> tuple[SessionGate | None, Session | None]:
        """The gate that knows the session, and the session, or None for both."""
        gate = self._home(key)
        return gate, None if gate is None else gate.sessions.get(key)

    def _gate_of(self, ticket: Ticket) -> SessionGate | None:
        """The gate that has decided the ticket or holds it; None: it is no more, or never did."""
        return self._gates.get(ticket.engine) if ticket.engine else self._home(ticket.session.key)

    def _settle(self, now: float) -> list[Ticket]:
        """What an event at one gate brings about at others; a retiring engine that has nobody left is forgotten."""
        decided = self._moving.share(now)
        if self._roster.retiring:
            decided += self._moving.evacuate(now)
            for engine in list(self._roster.retiring):
                if not len(self._gates[engine].sessions):
                    del self._gates[engine]
                    self._roster.remove(engine)
                    self._standings.remove(engine)
        return decided


def beside(key: str, model: str | None) -> str:
    """The key of the session that has another model beside session `key`."""
    return f"{key}\0{model or ''}"
