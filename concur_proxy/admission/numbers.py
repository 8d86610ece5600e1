"""Numbers that order what arrives."""


class Numbers:
    """Rising numbers, each given once, among which those that another process gave have their place."""

    def __init__(self, *, after: int = 0) -> None:
        """`after`: larger than any number that was given elsewhere before, as far as that can be known."""
        self._first = self._last = after
        self._taken: set[int] = set()
        self._least = 0

    def __next__(self) -> int:
        self._last += 1
        return self._last

    def take_least(self) -> int:
        """A number below 0 and below every other one."""
        self._least -= 1
        return self._least

    def take(self, number: int | None) -> int:
        """A number that was given elsewhere; another one if it is taken, or there is none."""
        if number is not None and number < 0:
            if number in self._taken:
                return self.take_least()
            self._taken.add(number)
            self._least = min(self._least, number)
            return number
        if number is not None and number > self._last:
            self._last = number
            return number
        if number is None or number > self._first or number in self._taken:
            return next(self)
        self._taken.add(number)
        return number
