"""Rising numbers: the seniority of sessions and the order of requests."""

from concur_proxy.admission.turns import Turns


class Numbers:
    """Gives rising numbers, each once, for seniority and for the order of arrivals. Numbers that another gateway gave
    can be taken over.
    """

    def __init__(self, *, after: int = 0) -> None:
        """`after`: the largest number that another gateway has given before, as far as is known."""
        self._first = self._last = after
        self._taken: set[int] = set()
        self._least = 0
        self.turns = Turns()
        """The numbers of sessions that are forgotten, and may come back."""

    def __next__(self) -> int:
        self._last += 1
        return self._last

    def take_least(self) -> int:
        """A number below 0 and below all others."""
        self._least -= 1
        self._taken.add(self._least)
        return self._least

    def take(self, number: int | None) -> int:
        """Take over a number that another gateway gave. Returns a new number if that one is taken or None."""
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
