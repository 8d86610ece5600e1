"""How long a session keeps its place between two turns while others wait for a place."""

from collections import deque
from typing import Protocol

from sortedcontainers import SortedList


class Lease(Protocol):
    """How long a session keeps its place between two turns."""

    @property
    def duration_s(self) -> float:
        """Seconds after a session's last answer until its place can go to a session that waits."""
        ...

    @property
    def keeps_caches(self) -> bool:
        """False if keeping a cache between two turns has turned out not to be worthwhile."""
        ...

    def observe_gap(self, gap_s: float) -> None:
        """Learn from a session that came back `gap_s` seconds after its last answer."""
        ...

    def observe_break_even(self, seconds: float) -> None:
        """Learn after how many seconds computing a cache again is cheaper than having kept it."""
        ...

    def begin_with(self, seconds: float) -> None:
        """Use the lease that another gateway has learned, until enough gaps are known here."""
        ...


class FixedLease:
    """A lease of a constant length."""

    keeps_caches = True

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s

    def observe_gap(self, gap_s: float) -> None:
        """Does nothing: the length is constant."""

    def observe_break_even(self, seconds: float) -> None:
        """Does nothing: the length is constant."""

    def begin_with(self, seconds: float) -> None:
        """Does nothing: the length is constant."""


class LearnedLease:
    """The lease with the lowest expected cost over the recent gaps: the ski-rental problem with known odds.

    Keeping a session's cache for a second costs what the engine could have done with that part of its cache. Giving the
    cache up costs the prefill that computes it again. Both costs are proportional to the session's size. So whatever
    the size, they are equal after the *break-even* time

        T = capacity / prefill rate

    With gaps g, the mean cost of a lease L, in seconds, is

        (1 - e) (E[min(g, L)] + P(g > L) T) + e L

    where e is the share of idle times that no request ends. L is the gap for which this cost is lowest. But L is 0 if
    that cost is not below `WORTHWHILE` times the cost without any lease: then no cache is worth keeping between two
    turns, and the gate admits every session.
    """

    MEMORY = 256
    """Number of remembered gaps."""
    ENOUGH = 8
    """Gaps before the first judgement, and between two judgements."""
    ENDED = 0.08
    """e: clients rarely report the end of a session, and agents have about a dozen turns."""
    WORTHWHILE = 0.5
    """Highest cost of a worthwhile lease, as a share of the cost without a lease. It is below 1 because a kept cache is
    never fully used, and a cache that was given up is not always lost.
    """
    STAY = 0.6
    """The same limit while there is a lease. It is higher, so that the lease does not come and go."""
    MARGIN = 1.1
    """Factor on the gap, for the jitter of client and network."""
    SHORTEST_S = 0.25
    """Added for the same reason, seconds."""
    FIRST_S = 5.0
    """The lease until `ENOUGH` gaps are known. Short, so that a first wave with slow tools does not block others."""
    FIRST_BREAK_EVEN_S = 10.0
    """T until the engine's rates are known. On a loaded engine, a paused prefix was seen to survive 10 to 12 s."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: SortedList[float] = SortedList()
        self._unjudged = 0
        self._break_even_s = self.FIRST_BREAK_EVEN_S
        self._duration_s = self.FIRST_S
        self._was_found_worthwhile = False

    @property
    def duration_s(self) -> float:
        """The present length of the lease, seconds."""
        return self._duration_s

    @property
    def keeps_caches(self) -> bool:
        """Whether any lease is worthwhile."""
        return self._duration_s > 0

    def observe_gap(self, gap_s: float) -> None:
        """Remember one gap and forget the oldest beyond `MEMORY`."""
        self._recent.append(gap_s)
        self._sorted.add(gap_s)
        if len(self._recent) > self.MEMORY:
            self._sorted.remove(self._recent.popleft())
        self._unjudged += 1
        if self._unjudged >= self.ENOUGH:
            self._judge()

    def observe_break_even(self, seconds: float) -> None:
        """Take the engine's present break-even time, seconds."""
        self._break_even_s = seconds
        if len(self._recent) >= self.ENOUGH:
            self._judge()

    def begin_with(self, seconds: float) -> None:
        """Use a lease of `seconds` until `ENOUGH` gaps are known."""
        if len(self._recent) < self.ENOUGH:
            self._duration_s = seconds
            self._was_found_worthwhile = seconds > 0

    def _judge(self) -> None:
        self._unjudged = 0
        gap = self._cheapest()
        self._was_found_worthwhile = gap > 0
        self._duration_s = gap * self.MARGIN + self.SHORTEST_S if gap else 0.0

    def _cheapest(self) -> float:
        count, returns, ends = len(self._sorted), 1 - self.ENDED, self.ENDED
        worthwhile = self.STAY if self._was_found_worthwhile else self.WORTHWHILE
        best, least, passed = 0.0, worthwhile * returns * self._break_even_s, 0.0
        for number, gap in enumerate(self._sorted, start=1):
            passed += gap
            held = passed + (count - number) * (gap + self._break_even_s)
            cost = returns * held / count + ends * gap
            if cost < least:
                best, least = gap, cost
        return best
