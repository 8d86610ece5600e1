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

    @property
    def keeps_caches(self) -> bool:
        """False when it was found that no cache is worth being kept between two steps."""
        ...

    def observe_gap(self, gap_s: float) -> None:
        """Learn from a session that came back `gap_s` seconds after its last answer."""
        ...

    def observe_break_even(self, seconds: float) -> None:
        """Learn after how many seconds it is cheaper to compute a cache again than to have held it."""
        ...

    def begin_with(self, seconds: float) -> None:
        """Take what another process has learnt, until enough is known here."""
        ...


class FixedLease:
    """A lease of a constant length."""

    keeps_caches = True

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s

    def observe_gap(self, gap_s: float) -> None:
        """Nothing to learn."""

    def observe_break_even(self, seconds: float) -> None:
        """Nothing to learn."""

    def begin_with(self, seconds: float) -> None:
        """It stays as it is."""


class LearnedLease:
    """The lease that costs least over the gaps seen lately: a ski rental with known odds.

    To hold a session's cache for a second costs the engine what it could have done with that part of its cache; to let
    it go and to compute it again costs the prefill. The two are equal after the *break-even* time

        T = capacity / prefill rate

    whatever the session's size, as both grow with it. With gaps g the mean cost of a lease L is, in seconds,

        (1 - e) (E[min(g, L)] + P(g > L) T) + e L

    where e is the share of silences that no request ends, and L is the gap for which it is least; but 0 where that is
    not `WORTHWHILE` times less than for none at all. Then no cache is worth being kept between two steps, and the gate
    is as if it were not there.
    """

    MEMORY = 256
    """Gaps that are remembered."""
    ENOUGH = 8
    """Gaps before which nothing is concluded, and after which anew."""
    ENDED = 0.08
    """e: clients hardly ever say the end, and agents have about a dozen turns."""
    WORTHWHILE = 0.5
    """What a lease must cost at most, as a part of the cost without any: a held cache is never put to full use, and one
    that was let go is not always lost.
    """
    STAY = 0.6
    """The same where there is a lease already, so that none comes and goes."""
    MARGIN = 1.1
    """Above the gap, for the jitter of client and network."""
    SHORTEST_S = 0.25
    """Added to it for the same reason."""
    FIRST_S = 5.0
    """The lease until `ENOUGH` gaps are known: a first wave whose tools are slow is not held for long in vain."""
    FIRST_BREAK_EVEN_S = 10.0
    """T until the engine's rates are known: a paused prefix was seen to survive 10 to 12 s on a loaded engine."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: SortedList[float] = SortedList()
        self._unjudged = 0
        self._break_even_s = self.FIRST_BREAK_EVEN_S
        self._duration_s = self.FIRST_S
        self._was_found_worthwhile = False

    @property
    def duration_s(self) -> float:
        """The lease's present length in seconds."""
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
        """Take the engine's present break-even time."""
        self._break_even_s = seconds
        if len(self._recent) >= self.ENOUGH:
            self._judge()

    def begin_with(self, seconds: float) -> None:
        """Take this length until `ENOUGH` gaps are known."""
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
