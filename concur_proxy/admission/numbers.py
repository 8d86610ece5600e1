"""Numbers that order what arrives."""


class Numbers:
    """Rising numbers, each given once, among which those that another process gave have their place."""

    def __init__(self, *, after: int = 0) -> None:
        """`after`: larger than any number that was given elsewhere before, as far as that can be known."""
        self._first = self._last = after
        self._taken: set[int] = set()

    def __next__(self) -> int:
        self._last += 1
        return self._last

    def take(self, number: int | None) -> int:
        """A number that was given elsewhere; another one if it is taken, or there is none."""
        if number is not None and number > self._last:
            self._last = number
            return number
        if number is None or number > self._first or number in self._taken:
            return next(self)
        self._taken.add(number)
        return number
