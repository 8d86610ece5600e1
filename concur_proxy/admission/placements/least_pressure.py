"""Sessions go where they are served soonest."""

from collections.abc import Sequence

from concur_proxy.admission.gate import SessionGate


class LeastPressure:
    """A gate with room first, then the shortest line, the least KV cache spoken for, the fewest sessions."""

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:  # noqa: ARG002
        """The least pressed of `gates`; the first of equals."""
        ordered = sorted(gates, key=_pressure)
        return next((gate for gate in ordered if gate.has_room_for(tokens)), ordered[0])


def _pressure(gate: SessionGate) -> tuple[int, float, int]:
    return (gate.waiting, gate.footprint_tokens, gate.active)


def build() -> LeastPressure:
    """The placement."""
    return LeastPressure()
