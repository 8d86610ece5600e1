"""The requests that wait, by the end of their hold."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.ticket import Ticket


class Holds:
    """Held tickets, the one whose hold ends first in front; every operation costs O(log n) or less."""

    def __init__(self) -> None:
        self._by_deadline: SortedDict[tuple[float, int], Ticket] = SortedDict()

    def __len__(self) -> int:
        return len(self._by_deadline)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._by_deadline.values())

    def add(self, ticket: Ticket) -> None:
        """Hold the ticket until its deadline at the latest."""
        self._by_deadline[ticket.deadline, ticket.number] = ticket

    def remove(self, ticket: Ticket) -> None:
        """The ticket waits no more, or not here."""
        del self._by_deadline[ticket.deadline, ticket.number]

    def first(self) -> Ticket | None:
        """The ticket whose hold ends first, or None."""
        return self._by_deadline.peekitem(0)[1] if self._by_deadline else None
