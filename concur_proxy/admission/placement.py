"""Which engine a session goes to."""

from collections.abc import Sequence
from typing import Protocol

from concur_proxy.admission.gate import SessionGate


class Placement(Protocol):
    """Chooses a gate for a session that has none."""

    def choose(self, gates: Sequence[SessionGate], *, tokens: float) -> SessionGate:
        """One of `gates` (never empty) for a session of this footprint."""
        ...


class LeastPressure:
    """A gate with room first, then the shortest line, the least KV cache spoken for, the fewest sessions."""

    def choose(self, gates: Sequence[SessionGate], *, tokens: float) -> SessionGate:
        """The least pressed of `gates`; the first of equals."""
        ordered = sorted(gates, key=_pressure)
        return next((gate for gate in ordered if gate.has_room_for(tokens)), ordered[0])


def _pressure(gate: SessionGate) -> tuple[int, float, int]:
    return (gate.waiting, gate.footprint_tokens, gate.active)
