"""How long agents pause between an answer and the next request."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A distribution that is known by some of its percentiles. Between two of them the logarithm is spread evenly."""

    points: Sequence[tuple[float, float]]
    """Shares from 0 to 1, and the values below which they lie, both in rising order. Values are more than 0."""

    def draw(self, random: Random) -> float:
        """Draw a value."""
        share = random.random()
        at = min(bisect_right(self.points, share, key=lambda point: point[0]), len(self.points) - 1)
        (low_share, low), (high_share, high) = self.points[at - 1 : at + 1]
        part = (share - low_share) / (high_share - low_share)
        return math.exp(math.log(low) + part * (math.log(high) - math.log(low)))


HUMAN = Percentiles(((0.0, 1.0), (0.05, 3.0), (0.25, 6.0), (0.5, 10.0), (0.75, 34.0), (0.95, 471.0), (1.0, 1800.0)))
"""A person who works with Claude Code: percentiles of 739 recorded sessions (github.com/callanjfox/kv-cache-tester).
Seconds. The shortest and the longest are assumed.
"""

TRAINING = Percentiles(((0.0, 0.02), (0.86, 1.0), (0.95, 10.0), (1.0, 60.0)))
"""Tools of a training or evaluation run: 86 % end within 1 s, and 95 % within 10 s (vllm-project/router#285). Seconds.
The shortest and the longest are assumed.
"""
