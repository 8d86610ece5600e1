"""Changes of a fleet that are not about a request: of its engines, their windows, and its sessions."""

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
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gates import Gates, variant
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.moving import Moving
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.conversations import Conversations


class FleetChanges:
    """Carries out changes, and what they cause at other gates. Returns the tickets that they decided."""

    def __init__(self, gates: Gates, moving: Moving, conversations: Conversations) -> None:
        self._gates = gates
        self._roster = gates.roster
        self._moving = moving
        self._conversations = conversations

    def apply(self, change: Change, *, now: float) -> list[Ticket]:
        """Carry out a change. Raises `ValueError` as described in the class of the change."""
        match change:
            case EndSession():
                return self._end(change.key, now)
            case Steer():
                return self._steer(change, now)
            case Drain():
                return self._gates.drain(now)
            case AddEngine():
                self._gates.add(change.engine)
                self._moving.reconsider_all()
            case EngineChange() if change.engine in self._gates.by_engine:
                return self._apply_to_engine(change, now)
            case RetireEngine():
                raise ValueError(f"no engine {change.engine}")
            case EngineChange():
                pass  # the engine was removed meanwhile
            case _:
                raise TypeError(f"a fleet cannot carry out {change!r}")
        return []

    def _end(self, key: str, now: float) -> list[Ticket]:
        if self._conversations.family_of(key) != key:
            return []  # a sub-agent has ended; its cache is no longer counted when its parent goes on
        decided = self._moving.evacuate(now)
        models = () if self._roster.is_uniform else self._roster.models
        for name in (key, *(variant(key, model) for model in models)):
            gate = self._gates.home(name)
            decided += [] if gate is None else self._moving.touched(gate).end(name, now=now)
        return decided + self._moving.settle(now)

    def _steer(self, change: Steer, now: float) -> list[Ticket]:
        if change.steering is Steering.END:
            return self._end(change.key, now)
        decided = self._moving.evacuate(now)
        found = self._gates.find(self._conversations.family_of(change.key))
        if found is not None:
            decided += self._moving.touched(found[0]).steer(found[1], change.steering, now=now)
        return decided + self._moving.settle(now)

    def _apply_to_engine(self, change: EngineChange, now: float) -> list[Ticket]:
        """Carry out a change to an engine that there is."""
        gate = self._gates.by_engine[change.engine]
        match change:
            case Reachable():
                self._reach(gate, is_up=change.is_up)
                return []
            case Serve():
                if self._roster.serve(change.engine, change.models):
                    self._moving.reconsider_all()
                return []
            case RetireEngine():
                self._roster.retire(change.engine)
                self._moving.reconsider_all()
                return self._moving.evacuate(now) + self._moving.settle(now)
        if self._gates.only is not None:
            return _apply_to_gate(change, gate, now)
        decided = self._moving.evacuate(now)
        decided += _apply_to_gate(change, self._moving.touched(gate), now)
        return decided + self._moving.settle(now)

    def _reach(self, gate: SessionGate, *, is_up: bool) -> None:
        """While the engine is down and another one is up, new sessions go elsewhere. Sessions that wait here move with
        the next event, and idle ones with their next request.
        """
        if is_up:
            self._roster.mark_up(gate.engine)
            self._gates.standings.touch(gate.engine)
            self._moving.reconsider({*self._roster.down, *self._roster.retiring})  # their sessions can move here now
        else:
            self._roster.mark_down(gate.engine)
            self._moving.touched(gate)


def _apply_to_gate(change: EngineChange, gate: SessionGate, now: float) -> list[Ticket]:
    """Carry out a change that concerns one gate only."""
    match change:
        case Resize():
            return gate.resize(change.window, now=now, budget=change.budget)
        case Observe():
            return gate.observe(change.load, now=now)
        case Enforce():
            return gate.enforce(enforcing=change.enforcing, now=now)
        case LoseCache():
            gate.lose_cache()
            return []
    raise TypeError(f"a fleet cannot carry out {change!r}")
