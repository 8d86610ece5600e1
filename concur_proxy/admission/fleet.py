"""The gates of all engines behind one door: a session is placed once and stays where its KV cache lives.

Like a gate, it is one object in layers, a file each, that know only those below them:

    fleet                            requests come and end, time passes, engines show their load, a person steers
    fleet_engines   fleet_handover   engines come and go; sessions and requests go from process to process
    fleet_state                      the gates, and the questions that can be put to all of them
"""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import (
    AddEngine,
    Change,
    Drain,
    EndSession,
    Enforce,
    EngineChange,
    LoseCache,
    Observe,
    Reachable,
    Resize,
    RetireEngine,
    Serve,
    Steer,
)
from concur_proxy.admission.fleet_engines import FleetEngines
from concur_proxy.admission.fleet_handover import FleetHandover
from concur_proxy.admission.fleet_state import beside
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.steering import Steering
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget


class Fleet(FleetEngines, FleetHandover):
    """Places sessions on engines and passes every event on to the gate concerned."""

    def arrive(self, arrival: Arrival, *, now: float, rank: int | None = None) -> tuple[Ticket, list[Ticket]]:
        """A request arrives. Returns its ticket and every ticket that this decided.

        It goes to an engine that serves its model. A request for a model that is served by different engines starts a
        separate session, because it uses another cache. `rank` is the seniority that another process gave a session
        that is new here.
        """
        model, avoid = arrival.model, arrival.avoid
        name = self._name(arrival)
        decided = self._moving.evacuate(now)
        gate, session = self._find(name)
        if session is not None and not self._roster.are_alike(session.model, model):
            name = beside(name, model)
            gate, session = self._find(name)
        if gate is None or session is None:
            gate = self._place(name, arrival)
        elif not session.in_flight and self._roster.has_lost(gate.engine, session.model, avoid):
            # Its cache is lost with the engine; what is in flight there must end first.
            gate, more = self._moving.move(session, gate, now)
            decided += more
        ticket, more = self._moving.touched(gate).arrive(name, arrival, now=now, rank=rank)
        return ticket, decided + more + self._settle(now)

    def finish(self, ticket: Ticket, answered: Answered, *, now: float) -> list[Ticket]:
        """The request is over, see `SessionGate.finish`."""
        gate = self._gate_of(ticket)
        if gate is None or not (ticket.is_held or ticket.is_in_flight):
            return []
        if ticket.is_held:
            decided = self._moving.touched(gate).finish(ticket, answered, now=now)
            return decided + self._moving.evacuate(now) + self._settle(now)
        decided = self._moving.evacuate(now)
        decided += self._moving.touched(gate).finish(ticket, answered, now=now)
        return decided + self._settle(now)

    def apply(self, change: Change, *, now: float) -> list[Ticket]:
        """Carry out a change; returns what it decided."""
        match change:
            case EndSession():
                return self.end(change.key, now=now)
            case Steer():
                return self.steer(change.key, change.steering, now=now)
            case Drain():
                return self.drain(now=now)
            case EngineChange():
                return self._apply_to_engine(change, now)
        raise TypeError(f"{change!r} is no change of a fleet")

    def _apply_to_engine(self, change: EngineChange, now: float) -> list[Ticket]:
        match change:
            case Enforce():
                return self.enforce(change.engine, enforcing=change.enforcing, now=now)
            case Resize():
                return self.resize(change.engine, change.window, budget=change.budget, now=now)
            case Observe():
                return self.observe(change.engine, change.load, now=now)
            case RetireEngine():
                return self.retire_engine(change.engine, now=now)
            case Reachable():
                (self.mark_up if change.is_up else self.mark_down)(change.engine)
            case Serve():
                self.serve(change.engine, change.models)
            case LoseCache():
                self.lose_cache(change.engine)
            case AddEngine():
                self.add_engine(change.engine)
            case _:
                raise TypeError(f"{change!r} is no change of a fleet")
        return []

    def end(self, key: str, *, now: float) -> list[Ticket]:
        """The session is over, see `SessionGate.end`; an unknown one is none of our business."""
        decided = self._moving.evacuate(now)
        models = () if self._roster.is_uniform else self._roster.models
        for name in (key, *(beside(key, model) for model in models)):
            gate = self._home(name)
            decided += [] if gate is None else self._moving.touched(gate).end(name, now=now)
        return decided + self._settle(now)

    def steer(self, key: str, steering: Steering, *, now: float) -> list[Ticket]:
        """A person does something to a session; to an unknown one, nothing."""
        if steering is Steering.END:
            return self.end(key, now=now)
        decided = self._moving.evacuate(now)
        gate, session = self._find(key)
        if gate is not None and session is not None:
            gate = self._moving.touched(gate)
            if steering is Steering.PAUSE:
                decided += gate.stop(session, now=now)
            elif steering is Steering.RESUME:
                decided += gate.let_go_on(session, now=now)
            else:
                decided += gate.prefer(session, now=now)
        return decided + self._settle(now)

    def enforce(self, engine: str, *, enforcing: bool, now: float) -> list[Ticket]:
        """Hold whom the engine's window holds, or only count them; of one that is gone, nothing."""
        gate = self._gates.get(engine)
        if gate is None:
            return []
        decided = self._moving.touched(gate).enforce(enforcing=enforcing, now=now)
        return decided + self._moving.evacuate(now) + self._settle(now)

    def resize(self, engine: str, window: float, *, now: float, budget: Budget | None = None) -> list[Ticket]:
        """Set the window of one engine; of one that is gone, nothing."""
        gate = self._gates.get(engine)
        if gate is None:
            return []
        decided = self._moving.evacuate(now)
        return decided + self._moving.touched(gate).resize(window, now=now, budget=budget) + self._settle(now)

    def observe(self, engine: str, load: EngineLoad | None, *, now: float) -> list[Ticket]:
        """The newest reading of one engine, see `SessionGate.observe`; of one that is gone, nothing."""
        gate = self._gates.get(engine)
        if gate is None:
            return []
        decided = self._moving.evacuate(now)
        return decided + self._moving.touched(gate).observe(load, now=now) + self._settle(now)

    def expire(self, *, now: float) -> list[Ticket]:
        """Time has passed, see `SessionGate.expire`."""
        decided = self._moving.evacuate(now)
        decided += [ticket for gate in self._standings.due(now) for ticket in gate.expire(now=now)]
        return decided + self._settle(now)

    def drain(self, *, now: float) -> list[Ticket]:
        """Stop admitting, see `SessionGate.drain`."""
        self._is_draining = True
        return [ticket for gate in self._gates.values() for ticket in self._moving.touched(gate).drain(now=now)]

    def _place(self, name: str, arrival: Arrival) -> SessionGate:
        """The gate for a session that has none."""
        first = next(iter(self._gates.values()))
        if len(self._gates) == 1:
            return first
        tokens = first.accounts.estimator.estimate(arrival.body_bytes)
        return self._moving.choose(name, tokens, arrival.model, arrival.avoid)
