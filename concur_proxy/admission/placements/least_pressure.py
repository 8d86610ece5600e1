"""Sessions go where they are probably admitted soonest."""

from collections.abc import Sequence

from concur_proxy.admission.gate import SessionGate


class LeastPressure:
    """Prefers a gate with room, then the shortest queue, the smallest sum of footprints, the fewest sessions."""

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:  # noqa: ARG002
        """The gate with the least pressure; the first of several equal ones."""
        ordered = sorted(gates, key=_pressure)
        return next((gate for gate in ordered if gate.has_room_for(tokens)), ordered[0])


def _pressure(gate: SessionGate) -> tuple[int, float, int]:
    return (gate.waiting, gate.footprint_tokens, gate.active)


def build() -> LeastPressure:
    """Make the placement."""
    return LeastPressure()
