"""The interface of a placement: which engine a session goes to."""

from collections.abc import Sequence
from typing import Protocol

from concur_proxy.admission.gate import SessionGate


class Placement(Protocol):
    """Chooses a gate for a session that has none; its file is `placements/<name>.py` with a `build()`.

    Whatever it chooses, a new session that waits is served by an engine that has room sooner, and one whose engine is
    lost is placed anew.
    """

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:
        """One of `gates` for session `key` of this footprint. They are never none, in the fleet's order, and all can
        take it.
        """
        ...
