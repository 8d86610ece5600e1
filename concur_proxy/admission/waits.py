"""The session that has waited longest, whatever its place in the queue."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.session import Session


class Waits:
    """The sessions of a queue by the arrival of their first waiting request. Every operation costs O(log n)."""

    def __init__(self) -> None:
        self._by_arrival: SortedDict[tuple[float, int], Session] = SortedDict()
        self._entries: dict[Session, tuple[tuple[float, int], float]] = {}
        """The key in `_by_arrival` and the footprint of each session, as they were when it joined."""
        self.tokens = 0.0
        """Sum of the footprints of all sessions when they joined."""

    def __len__(self) -> int:
        return len(self._entries)

    def join(self, session: Session) -> None:
        """Add a session. Nothing happens if none of its requests waits, or if it has joined already."""
        first = next(iter(session.held), None)
        if first is None or session in self._entries:
            return
        key = first.arrived_at, first.number
        self._by_arrival[key] = session
        self._entries[session] = key, session.footprint
        self.tokens += session.footprint

    def leave(self, session: Session) -> None:
        """Remove a session. Nothing happens if it has not joined."""
        entry = self._entries.pop(session, None)
        if entry is not None:
            key, tokens = entry
            del self._by_arrival[key]
            self.tokens = self.tokens - tokens if self._entries else 0.0  # rounding errors must not add up

    def first(self) -> tuple[float, Session] | None:
        """The session that has waited longest, and since when; None if no session waits."""
        while self._by_arrival:
            (arrived_at, number), session = self._by_arrival.peekitem(0)
            first = next(iter(session.held), None)
            if first is not None and first.number == number:
                return arrived_at, session
            self.leave(session)  # its first request has given up: a later one counts from now on
            self.join(session)
        return None

    def sizes(self) -> Iterator[tuple[float, float]]:
        """For each session, the one that has waited longest first: since when it waits, and its footprint."""
        for (arrived_at, _), session in self._by_arrival.items():
            yield arrived_at, session.footprint
