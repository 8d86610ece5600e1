"""The period in which one gateway leads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """The present term, and the gateways that are alive. A term is the period in which one gateway leads."""

    name: str
    """Unique; empty while no gateway leads. It contains the number and the name of the leader."""
    replicas: frozenset[str]
    """The gateways that are alive, as far as is known."""
    just_heard: frozenset[str] = frozenset()
    """Those that have sent something a moment ago. A leader whose term has expired was silent for longer."""

    @property
    def number(self) -> int:
        """Rises from term to term."""
        return int(self.name.partition(":")[0] or 0)

    @property
    def leader(self) -> str:
        """The leader's name."""
        return self.name.rpartition(":")[2]


def term_name(number: int, nonce: str, leader: str) -> str:
    """The name of a term. `nonce` makes it unique if numbers start again."""
    return f"{number}:{nonce}:{leader}"
