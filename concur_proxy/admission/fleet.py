"""All engines behind one interface: a session is placed once, and stays where its KV cache is.

A `Fleet` is made of:

    Fleet          requests arrive and end, time passes
    FleetChanges   engines, windows and sessions are changed
    Gates          one gate per engine, and where each session is
    Moving         which sessions go to another gate, and when
    Roster         which engines there are, which of them can be used, and for which models
    Standings      how the gates compare, so that no event needs to look at all of them
"""

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Change, EngineChange, SessionChange
from concur_proxy.admission.fleet_changes import FleetChanges
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gates import MOST_CONVERSATIONS, GateFactory, Gates, variant
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.moving import Moving
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.placements.least_pressure import LeastPressure
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.conversations import BY_CONTENT, Conversations
from concur_proxy.recognition.whereabouts import Whereabouts


class Fleet:
    """Places sessions on engines, and passes every event on to the gate that it concerns. Every event returns the
    tickets that it decided.
    """

    def __init__(
        self,
        *,
        engines: Sequence[str],
        make_gate: GateFactory,
        placement: Placement | None = None,
        move_after_s: float = math.inf,
        most_conversations: int = MOST_CONVERSATIONS,
        after: int = 0,
    ) -> None:
        """`move_after_s`: how long a paused session waits for its own engine before another one may take it.
        `most_conversations`: beyond this number, idle sessions are forgotten. `after`: new seniority numbers are larger
        than this one, the largest that any gateway has given before.
        """
        self._numbers = Numbers(after=after)
        self._gates = Gates(
            engines, make_gate, self._numbers, move_after_s=move_after_s, most_conversations=most_conversations
        )
        self._roster = self._gates.roster
        self._conversations = Conversations(self._gates.tree, self._session, lambda: next(self._numbers))
        self._moving = Moving(self._gates, placement or LeastPressure())
        self._changes = FleetChanges(self._gates, self._moving, self._conversations)

    # -- questions

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine, to read."""
        return self._gates.by_engine

    @property
    def down(self) -> frozenset[str]:
        """Engines that cannot be reached. They get no new sessions."""
        return self._roster.down

    def candidates(self, model: str | None) -> list[str]:
        """The engines that may serve a request outside of any session, the best first."""
        return self._roster.candidates(model)

    def models_of(self, engine: str) -> frozenset[str] | None:
        """The models that the engine serves; None: not known."""
        return self._roster.models_of(engine)

    @property
    def shared_keys(self) -> int:
        """How many session keys were found to name many conversations at once."""
        return self._conversations.shared_keys

    def knows(self, change: Change) -> bool:
        """Whether the session or engine that the change names is known."""
        if isinstance(change, SessionChange):
            return self._gates.knows(self._conversations.family_of(change.key))
        return not isinstance(change, EngineChange) or change.engine in self.gates

    def next_deadline(self) -> float | None:
        """The time at which `expire` must be called next, or None."""
        only = self._gates.only
        return self._gates.standings.next_deadline() if only is None else only.next_deadline()

    def expected_wait(self, ticket: Ticket, *, now: float) -> tuple[int, float]:
        """The place in the queue, from 1, of a ticket that waits or was refused, and its probable wait in seconds."""
        gate = self._gates.gate_of(ticket)
        return (1, 0.0) if gate is None else gate.expected_wait(ticket, now=now)

    # -- requests

    def arrive(self, arrival: Arrival, *, now: float, seniority: int | None = None) -> tuple[Ticket, list[Ticket]]:
        """A request arrives. Returns its ticket and every ticket that this decided.

        It goes to the engine that keeps the response that it continues, or to one that serves its model. A request for
        a model that is served by different engines starts a separate session, because it uses another cache.
        `seniority` is what another gateway gave a session that is new here.
        """
        where = self._conversations.locate(arrival)
        ticket, decided = self._arrive(where, arrival, now, seniority)
        self._gates.forget_excess(now)
        if where.by_content:
            ticket.recognised_by = BY_CONTENT
        return ticket, decided

    def _arrive(
        self, where: Whereabouts, arrival: Arrival, now: float, seniority: int | None
    ) -> tuple[Ticket, list[Ticket]]:
        name = where.session
        if self._gates.only is not None:
            return self._gates.only.arrive(where, arrival, now=now, seniority=seniority)
        decided = self._moving.evacuate(now)
        found = self._gates.find(name)
        if found is not None and not self._roster.are_alike(found[1].model, arrival.model):
            name = variant(name, arrival.model)
            found = self._gates.find(name)
        home = self._moving.home_of(arrival)
        if home is not None and found is not None and found[0] is not home and found[1].in_flight:
            name = variant(name, home.engine)
            found = self._gates.find(name)
        if home is None and found is not None and found[1].in_flight and found[0].engine == arrival.avoid:
            # This request must leave the engine, although others of its session are in flight there.
            other = self._place(name, arrival)
            if other is not found[0]:
                name = variant(name, other.engine)
                found = self._gates.find(name)
        if found is None:
            gate = home or self._place(name, arrival)
        else:
            gate, session = found
            if session.in_flight:
                pass  # the engine is working on the session
            elif home is not None:
                gate, more = self._moving.bring(session, gate, home, now)
                decided += more
            elif self._roster.has_lost(gate.engine, session.model, arrival.avoid):
                # The session's cache is lost with the engine.
                gate, more = self._moving.move(session, gate, now)
                decided += more
        where = replace(where, session=name)
        ticket, more = self._moving.touched(gate).arrive(where, arrival, now=now, seniority=seniority)
        return ticket, decided + more + self._moving.settle(now)

    def finish(self, ticket: Ticket, answered: Answered, *, now: float) -> list[Ticket]:
        """The request has ended, whether it was waiting or in flight. Finishing a ticket twice changes nothing."""
        only = self._gates.only
        if only is not None:
            return only.finish(ticket, answered, now=now)
        gate = self._gates.gate_of(ticket)
        if gate is None:
            return []
        if ticket.is_in_flight:
            decided = self._moving.evacuate(now)
            decided += self._moving.touched(gate).finish(ticket, answered, now=now)
        elif ticket.is_held:  # withdraw the request before the evacuation, which could admit it
            decided = self._moving.touched(gate).finish(ticket, answered, now=now)
            decided += self._moving.evacuate(now)
        else:
            return []
        return decided + self._moving.settle(now)

    def expire(self, *, now: float) -> list[Ticket]:
        """Do everything that is due by now, see `SessionGate.expire`."""
        if self._gates.only is not None:
            return self._gates.only.expire(now=now)
        decided = self._moving.evacuate(now)
        decided += [ticket for gate in self._gates.standings.due(now) for ticket in gate.expire(now=now)]
        return decided + self._moving.settle(now)

    def apply(self, change: Change, *, now: float) -> list[Ticket]:
        """Carry out a change. Raises `ValueError` as described in the class of the change."""
        return self._changes.apply(change, now=now)

    # -- other gateways

    def note_changes(self, changes: set[str]) -> None:
        """Put the names of sessions that change into `changes`, from now on."""
        self._gates.note_changes(changes)

    def record(self, name: str, *, now: float) -> SessionRecord | None:
        """The session as a record, from which another gateway can continue it. None if the session has ended or is a
        single request without a key.
        """
        found = self._gates.find(name)
        if found is None or found[1].one_shot:
            return None
        return SessionRecord.of(found[1], found[0].engine, self._gates.tree, now=now)

    def restore(self, record: SessionRecord, *, now: float) -> None:
        """Take over a session of another gateway, with its place if it has one. A session that is already known stays
        unchanged.
        """
        if not self._gates.knows(record.key):
            engine = record.engine if record.engine in self.gates else self._roster.candidates(record.model)[0]
            session = record.session(seniority=self._numbers.take(record.seniority), now=now)
            self._conversations.restore(record.key, session.members)
            chains = [(session.members[each.name], each.chain) for each in record.members if each.chain is not None]
            self._moving.touched(self.gates[engine]).handover.restore(session, chains)
            self._gates.forget_excess(now)

    def claim(self, arrival: Arrival, *, engine: str, seniority: int | None, now: float) -> tuple[Ticket, list[Ticket]]:
        """A request that another gateway released is at `engine`: its session gets a place there, whatever the window
        says. If the session is known at another engine, it moves, or if it has requests in flight there, a separate
        session gets the place. Raises `ValueError` for an engine that is not known.
        """
        if engine not in self.gates:
            raise ValueError(f"no engine {engine}")
        where, gate = self._conversations.locate(arrival), self.gates[engine]
        name = where.session
        moved: list[Ticket] = []
        found = self._gates.find(name)
        while found is not None and found[0] is not gate and found[1].in_flight:
            name = variant(name, engine)
            found = self._gates.find(name)
        if found is not None and found[0] is not gate:
            home, session = found
            self._moving.touched(home).handover.part_with(session, "moved")
            moved = self._moving.touched(gate).handover.adopt(session, now)
        where = replace(where, session=name)
        ticket, decided = self._moving.touched(gate).handover.claim(where, arrival, seniority, now)
        self._gates.forget_excess(now)
        return ticket, moved + decided + self._moving.settle(now)

    def seniority_of(self, name: str) -> int | None:
        """The seniority of a session; None if it is not known."""
        session = self._session(name)
        return None if session is None else session.seniority

    def _session(self, name: str) -> Session | None:
        found = self._gates.find(name)
        return None if found is None else found[1]

    def _place(self, name: str, arrival: Arrival) -> SessionGate:
        """Choose a gate for a session that has no gate yet."""
        any_gate = next(iter(self.gates.values()))
        tokens = any_gate.accounts.guess(arrival)
        return self._moving.choose(name, tokens, arrival.model, arrival.avoid)
