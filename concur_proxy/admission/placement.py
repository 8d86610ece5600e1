"""The interface of a placement: which engine a session goes to.

A placement is a plug-in. Its module is `placements/<name>.py` with a function `build()` that makes one. The setting
`placement` names it.
"""

from collections.abc import Sequence
from typing import Protocol

from concur_proxy.admission.gate import SessionGate


class Placement(Protocol):
    """Chooses the gate for a session that has none.

    Whatever it chooses, a new session that waits is served by the first engine that has room, and a session that loses
    its engine is placed again.
    """

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:
        """Return one of `gates` for session `key`, which needs `tokens` of cache. There is at least one gate, they are
        in the order of the fleet's engines, and each can take the session.
        """
        ...
