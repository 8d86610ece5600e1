"""Random sizes and times."""

import math
from dataclasses import dataclass
from random import Random
from typing import Protocol


class Spread(Protocol):
    """A distribution of a size or a time."""

    def draw(self, random: Random) -> float:
        """One value, 0 or more."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any value between two, all equally probable."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """One value."""
        return random.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class HeavyTailed:
    """A log-normal: most values near the median, a few many times as large, none above `most`."""

    median: float
    sigma: float
    """Standard deviation of the logarithm: at 1, one value in a hundred is ten times the median."""
    most: float = math.inf

    def draw(self, random: Random) -> float:
        """One value."""
        return min(random.lognormvariate(math.log(self.median), self.sigma), self.most)
