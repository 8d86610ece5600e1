"""Least squares of relative errors, for numbers that cannot be negative."""

from collections.abc import Sequence
from dataclasses import dataclass

ROUNDS = 2000
ENOUGH = 1e-9
"""A round that changes every number by less than this part of it is the last one."""
PASSES = 30
LEAST_ERROR = 0.02
"""Relative errors below this count alike."""


@dataclass(frozen=True, slots=True)
class Row:
    """One observation: a sum of values, each times an unknown number, gives the right side."""

    values: tuple[float, ...]
    right: float
    weight: float = 1.0

    def left(self, numbers: Sequence[float]) -> float:
        """The right side that these numbers give it."""
        return sum(number * value for number, value in zip(numbers, self.values, strict=True))

    def error(self, numbers: Sequence[float]) -> float:
        """The relative error of these numbers."""
        return abs(self.left(numbers) / self.right - 1)


def least_squares(rows: Sequence[Row], start: Sequence[float]) -> list[float]:
    """Numbers of 0 or more, one for each value of a row, that give the right sides with the least relative error. A
    number whose values are all 0 keeps its start.
    """
    size = len(start)
    products = [
        [sum(row.weight * row.values[one] * row.values[other] / row.right**2 for row in rows) for other in range(size)]
        for one in range(size)
    ]
    rights = [sum(row.weight * row.values[one] / row.right for row in rows) for one in range(size)]
    numbers = list(start)
    for _ in range(ROUNDS):
        before = tuple(numbers)
        for one in range(size):
            others = sum(products[one][other] * numbers[other] for other in range(size) if other != one)
            if products[one][one] > 0:
                numbers[one] = max(0.0, (rights[one] - others) / products[one][one])
        if all(abs(new - old) <= ENOUGH * old for new, old in zip(numbers, before, strict=True)):
            break
    return numbers


def least_deviations(rows: Sequence[Row], start: Sequence[float]) -> list[float]:
    """As `least_squares`, but errors are not squared: a few right sides that are far too large change little."""
    numbers = least_squares(rows, start)
    for _ in range(PASSES):
        weighted = [Row(row.values, row.right, 1 / max(row.error(numbers), LEAST_ERROR)) for row in rows]
        numbers = least_squares(weighted, numbers)
    return numbers
