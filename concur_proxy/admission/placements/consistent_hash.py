"""Sessions go where their key says, so that one that was forgotten comes back to what is left of its cache."""

from collections.abc import Sequence
from hashlib import blake2b

from concur_proxy.admission.gate import SessionGate


class ConsistentHash:
    """Rendezvous hashing (Thaler and Ravishankar 1998): each engine draws a number for the key, and the highest has it.

    An engine that comes or goes moves only the sessions that it gains or loses, and those of one that is down spread
    over all others.
    """

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:  # noqa: ARG002
        """The gate whose engine draws highest."""
        return max(gates, key=lambda gate: _draw(key, gate.engine))


def _draw(key: str, engine: str) -> bytes:
    return blake2b(f"{key}\n{engine}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def build() -> ConsistentHash:
    """The placement."""
    return ConsistentHash()
