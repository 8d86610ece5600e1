"""When the agents of a scenario start."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """All agents start together, as in a batch job."""

    at_s: float = 0.0

    def times(self, random: Random) -> Iterator[float]:  # noqa: ARG002 - the interface's argument
        """The start times, in order."""
        while True:
            yield self.at_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Agents start independently of each other."""

    per_s: float

    def times(self, random: Random) -> Iterator[float]:
        """The start times, in order."""
        now = 0.0
        while True:
            now += random.expovariate(self.per_s)
            yield now


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """`size` agents start together every `every_s` seconds."""

    size: int
    every_s: float

    def times(self, random: Random) -> Iterator[float]:  # noqa: ARG002 - the interface's argument
        """The start times, in order."""
        for number in count():
            yield (number // self.size) * self.every_s
