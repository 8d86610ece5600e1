"""How long an idle session keeps its place while others wait for it."""

from collections import deque
from typing import Protocol

from sortedcontainers import SortedList


class Lease(Protocol):
    """The time for which a place is held between two steps of a session."""

    @property
    def duration_s(self) -> float:
        """Seconds after a session's last answer until its place may go to a session that waits."""
        ...

    def observe_gap(self, gap_s: float) -> None:
        """Learn from a session that came back `gap_s` seconds after its last answer."""
        ...


class FixedLease:
    """A lease of a constant length."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s

    def observe_gap(self, gap_s: float) -> None:
        """Nothing to learn."""


class LearnedLease:
    """A lease just longer than nearly every gap seen: a session silent for longer has probably ended.

    The length is `MARGIN` times the `QUANTILE` of the last `MEMORY` gaps, within [`SHORTEST_S`, `LONGEST_S`], and
    `LONGEST_S` until `ENOUGH` gaps are known. So a client that never says the end holds nobody back for long, and one
    that calls slow tools is not taken for finished, up to the time after which its cache is gone anyway.
    """

    MEMORY = 256
    ENOUGH = 8
    QUANTILE = 0.95
    MARGIN = 1.5
    SHORTEST_S = 0.25
    """Below this the jitter of client and network decides, not the tool."""
    LONGEST_S = 10.0
    """A paused prefix was seen to survive 10 to 12 s on a loaded engine, and 95 % of the gaps of coding agents end
    within 10 s.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: SortedList[float] = SortedList()
        self._duration_s = self.LONGEST_S

    @property
    def duration_s(self) -> float:
        """The lease's present length in seconds."""
        return self._duration_s

    def observe_gap(self, gap_s: float) -> None:
        """Remember one gap and forget the oldest beyond `MEMORY`."""
        self._recent.append(gap_s)
        self._sorted.add(gap_s)
        if len(self._recent) > self.MEMORY:
            self._sorted.remove(self._recent.popleft())
        if len(self._recent) >= self.ENOUGH:
            quantile = self._sorted[int(self.QUANTILE * (len(self._sorted) - 1))]
            self._duration_s = min(max(self.MARGIN * quantile, self.SHORTEST_S), self.LONGEST_S)
