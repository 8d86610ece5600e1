"""A placement as another package would have it."""

from collections.abc import Sequence

from concur_proxy.admission.gate import SessionGate


class FewestSessions:
    """The engine with the fewest known sessions."""

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:  # noqa: ARG002
        return min(gates, key=lambda gate: len(gate.sessions))


def build() -> FewestSessions:
    return FewestSessions()
