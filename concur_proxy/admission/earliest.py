"""The least of values that change one at a time."""

from heapq import heapify, heappop, heappush

SLACK = 64
"""Outdated entries that are kept before they are thrown out, beside as many as there are values."""


class Earliest:
    """Values by key, and whose is the least; putting one and asking cost O(log n) in the mean."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Every value, and outdated ones that have not come to the front yet."""

    def put(self, key: str, value: float | None) -> None:
        """The key's value from now on; None: it has none."""
        if value == self._values.get(key):
            return
        if value is None:
            del self._values[key]
            return
        self._values[key] = value
        heappush(self._heap, (value, key))
        if len(self._heap) > 2 * len(self._values) + SLACK:
            self._heap = [(kept, name) for name, kept in self._values.items()]
            heapify(self._heap)

    def get(self, key: str) -> float | None:
        """The key's value, or None."""
        return self._values.get(key)

    def first(self) -> tuple[float, str] | None:
        """The least value and its key, or None when there is none."""
        heap = self._heap
        while heap and self._values.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0] if heap else None

    def pop(self, limit: float) -> set[str]:
        """The keys whose values are no more than `limit`; they have none from now on."""
        keys = set()
        while (first := self.first()) is not None and first[0] <= limit:
            del self._values[first[1]]
            keys.add(first[1])
        return keys
