"""Sessions go where their key says. A session that was forgotten comes back to what is left of its cache."""

from collections.abc import Sequence
from hashlib import blake2b

from concur_proxy.admission.gate import SessionGate


class ConsistentHash:
    """Rendezvous hashing (Thaler and Ravishankar 1998): each engine gets a number for the key, and the highest wins.

    An engine that is added or removed moves only the sessions that it gains or loses. The sessions of an engine that is
    down are spread over all others.
    """

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:  # noqa: ARG002
        """The gate whose engine has the highest number."""
        return max(gates, key=lambda gate: _score(key, gate.engine))


def _score(key: str, engine: str) -> bytes:
    return blake2b(f"{key}\n{engine}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def build() -> ConsistentHash:
    """Make the placement."""
    return ConsistentHash()
