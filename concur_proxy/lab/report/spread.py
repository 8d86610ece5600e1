"""How values are spread, in bounded memory: quantiles to within 3 %."""

import math

_STEP = math.log(1.05)
LEAST = 1e-3


class Spread:
    """A histogram with classes that grow by 5 %."""

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.most = 0.0
        self._classes: dict[int, float] = {}

    def add(self, value: float, count: float = 1.0) -> None:
        """Add a value of 0 or more, `count` times."""
        self.count += count
        self.total += value * count
        self.most = max(self.most, value)
        number = -1 if value < LEAST else int(math.log(value / LEAST) / _STEP)
        self._classes[number] = self._classes.get(number, 0.0) + count

    def merge(self, other: "Spread") -> None:
        """Add the values of another spread."""
        self.count += other.count
        self.total += other.total
        self.most = max(self.most, other.most)
        for number, count in other._classes.items():  # noqa: SLF001 - its own class
            self._classes[number] = self._classes.get(number, 0.0) + count

    @property
    def mean(self) -> float:
        """The mean; 0 without values."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The value below which this share of the values lies; 0 without values."""
        left = share * self.count
        for number in sorted(self._classes):
            left -= self._classes[number]
            if left <= 0:
                return 0.0 if number < 0 else min(self.most, LEAST * math.exp((number + 0.5) * _STEP))
        return self.most

    def share_above(self, value: float) -> float:
        """The share of the values above this one; 0 without values."""
        above = sum(count for number, count in self._classes.items() if LEAST * math.exp(number * _STEP) >= value)
        return above / self.count if self.count else 0.0
