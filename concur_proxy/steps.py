"""Long work in steps, so that its caller can do other work between two of them.

The work is a generator: each `yield` ends a step, and what it returns is the result.
"""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def finish(steps: Generator[None, None, T]) -> T:
    """Take all steps at once, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
