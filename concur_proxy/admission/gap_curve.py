"""How probable it is that a session comes back, by how long it has been idle: a life table of gaps."""

import math
from array import array
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise

_STEPS_PER_DOUBLING = 4
_FIRST_EDGE_S = 0.125
_DOUBLINGS = 13
EDGES = (
    0.0,
    *(_FIRST_EDGE_S * 2 ** (step / _STEPS_PER_DOUBLING) for step in range(_DOUBLINGS * _STEPS_PER_DOUBLING + 1)),
)
"""The ages that separate the buckets of the table, seconds. A session that is idle for longer than the last one counts
as a session that never returns.
"""
_ENDS = EDGES[1:]
_WIDTHS = tuple(end - begin for begin, end in pairwise(EDGES))
_USUAL_S = 0.5
_USUAL_HAZARDS = tuple(math.log((_USUAL_S + end) / (_USUAL_S + begin)) for begin, end in pairwise(EDGES))
"""How many returns are usual in each bucket per session that reaches it: half of the gaps of an agent are shorter than
0.5 s, and 95 % are shorter than 10 s. The gaps of training and evaluation fleets are shorter (86 % below 1 s), those of
a person's coding agent are longer (half of them below 10 s).
"""

_USUAL_AFTER = (*accumulate(reversed(_USUAL_HAZARDS), initial=0.0),)[::-1]
"""The sum of these from each bucket on."""
_PASSES_AT = tuple(end - 1e-6 for end in EDGES[1:])
"""The ages at which gaps pass to the next buckets, a little less because times are rounded."""
_MEMORY = 128
_KEPT = 1 - 1 / _MEMORY
"""What is left of a bucket's counts when another gap leaves the bucket: see `GapCurve.MEMORY`."""


class GapCurve:
    """Counts, for each bucket of ages, the gaps that reached it and those that ended in it.

    A gap that is still open counts as silent in every bucket that it has passed, and as a part of a gap in its present
    bucket. So a session that never returns teaches as much as one that does. In each bucket the last `MEMORY` gaps
    count most. `now` never goes back.
    """

    MEMORY = _MEMORY
    """The weight of a gap falls to 1/e after this many others: they are on average as old as the last 256."""
    PRIOR = 0.5
    """Number of sessions that are added to each bucket, so that few gaps do not count as certainty."""
    PRIOR_RETURNS = 4.0
    """Number of returns, and of usual returns, that are added before these two are compared."""

    def __init__(self) -> None:
        # All is made here, and numbers are in arrays: an object that is made during a flood of requests, and stays,
        # keeps a megabyte of its memory.
        self._open: tuple[dict[int, float], ...] = tuple({} for _ in _WIDTHS)
        self._used = 0
        """Number of buckets up to the last one that any gap has reached."""
        self._reached, self._returned, self._ended, self._sums = (array("d", bytes(8 * len(_WIDTHS))) for _ in range(4))
        self._due = array("d", [math.inf]) * len(_WIDTHS)
        """For each bucket, a time before which none of its gaps passes to the next one."""
        self._buckets: dict[int, int] = {}
        self._next_due = math.inf
        self._with_returns = 0
        """Number of buckets up to the last one in which a session came back."""
        self.changes = 0
        """Grows whenever a gap begins, ends or passes to another bucket."""

    def __len__(self) -> int:
        """Number of open gaps."""
        return len(self._buckets)

    def __contains__(self, number: int) -> bool:
        """Whether this gap is open."""
        return number in self._buckets

    def begin(self, number: int, *, now: float) -> None:
        """Open a gap."""
        self._used = self._used or 1
        self._open[0][number] = now
        self._sums[0] += now
        self._buckets[number] = 0
        self.changes += 1
        if now + _PASSES_AT[0] < self._due[0]:
            self._due[0] = now + _PASSES_AT[0]
            self._next_due = min(self._next_due, self._due[0])

    def end(self, number: int, *, now: float, came_back: bool) -> None:
        """Close a gap: the session is back, or it has ended and its cache is not needed any more."""
        self.advance(now=now)
        bucket = self._buckets.pop(number, None)
        if bucket is None:
            return
        gaps = self._open[bucket]
        begun_at = gaps.pop(number)
        self._sums[bucket] = self._sums[bucket] - begun_at if gaps else 0.0
        self._reached[bucket] = self._reached[bucket] * _KEPT + 1
        self._returned[bucket] = self._returned[bucket] * _KEPT + came_back
        self._ended[bucket] = self._ended[bucket] * _KEPT + (not came_back)
        if came_back and bucket >= self._with_returns:
            self._with_returns = bucket + 1
        self.changes += 1

    def advance(self, *, now: float) -> None:
        """Let open gaps pass to the buckets of their present ages."""
        if now < self._next_due:
            return
        due, bucket = self._due, 0
        while bucket < self._used:  # it grows when a gap reaches a bucket for the first time
            if now >= due[bucket]:
                self._pass_on(bucket, now)
            bucket += 1
        self._next_due = min(due)

    def _pass_on(self, bucket: int, now: float) -> None:
        """Let the gaps of this bucket that have passed it go to the next one."""
        gaps, end, passed = self._open[bucket], EDGES[bucket + 1], bucket + 1
        if passed == self._used < len(_WIDTHS):
            self._used += 1
        while gaps:
            number, begun_at = next(iter(gaps.items()))
            if now - begun_at < end:
                self._due[bucket] = begun_at + _PASSES_AT[bucket]
                break
            del gaps[number]
            self.changes += 1
            self._reached[bucket] = self._reached[bucket] * _KEPT + 1
            self._returned[bucket] *= _KEPT
            self._ended[bucket] *= _KEPT
            self._sums[bucket] -= begun_at
            if passed == len(_WIDTHS):
                del self._buckets[number]
                continue
            if not self._open[passed]:
                self._due[passed] = begun_at + _PASSES_AT[passed]
            self._open[passed][number] = begun_at
            self._sums[passed] += begun_at
            self._buckets[number] = passed
        else:
            self._due[bucket], self._sums[bucket] = math.inf, 0.0

    def usual_returns(self, *, now: float) -> float:
        """Number of returns that would have been usual in the time that is remembered."""
        return _usual(self._at_risk(now))

    def _at_risk(self, now: float) -> list[float]:
        """For each bucket, the number of gaps that have reached it. An open gap counts in its present bucket as the
        part of the bucket that it has passed.
        """
        return [
            reached + (len(gaps) * (now - begin) - total) / width if gaps else reached
            for reached, gaps, total, begin, width in zip(
                self._reached, self._open[: self._used], self._sums, EDGES, _WIDTHS, strict=False
            )
        ]

    def table(self, *, now: float) -> "LifeTable":
        """What is known now, as a copy."""
        returned, ended = self._returned[: self._used].tolist(), self._ended[: self._used].tolist()
        return LifeTable(self._at_risk(now), returned, ended, self._with_returns)


@dataclass(frozen=True, slots=True)
class LifeTable:
    """A life table of gaps, up to the last bucket that any gap has reached."""

    at_risk: list[float]
    """For each bucket, the number of gaps that have reached it."""
    returned: list[float]
    """How many of these ended in it with a return."""
    ended: list[float]
    """How many of these ended in it without a return."""
    with_returns: int
    """Number of buckets up to the last one with a return."""

    def odds(self) -> list[tuple[float, float]]:
        """For each bucket, the probabilities that a session is still idle at its end, and that it came back within it.
        Both are as seen from the begin of the gap. The last bucket is that of the latest return that has been seen:
        nobody is expected to return later.
        """
        idle, odds, prior = 1.0, [], GapCurve.PRIOR
        columns = zip(self.at_risk, self.returned, self.ended, strict=True)
        for number, returned, ended in islice(columns, self.with_returns):
            weight = number + prior
            back = idle * returned / weight
            idle = max(0.0, idle - back - idle * ended / weight)
            odds.append((idle, back))
        return odds

    def return_odds(self) -> float:
        """The probability that a session comes back at all.

        Later than any gap that has been seen, the usual rate of returns is assumed, times a factor: the number of
        returns so far divided by the number that would have been usual.
        """
        prior = GapCurve.PRIOR_RETURNS
        factor = (prior + sum(self.returned)) / (prior + _usual(self.at_risk))
        idle, comes_back = 1.0, 0.0
        for number, returned, ended, hazard in zip(
            self.at_risk, self.returned, self.ended, _USUAL_HAZARDS, strict=False
        ):
            weight = number + GapCurve.PRIOR
            back = idle * (returned - GapCurve.PRIOR * math.expm1(-factor * hazard)) / weight
            idle = max(0.0, idle - back - idle * ended / weight)
            comes_back += back
        return min(1.0, comes_back - idle * math.expm1(-factor * _USUAL_AFTER[len(self.at_risk)]))


def _usual(at_risk: list[float]) -> float:
    return sum(map(float.__mul__, at_risk, _USUAL_HAZARDS))


def cheapest(odds: list[tuple[float, float]], *, break_even_s: float, worthwhile: float, ended: float = 0.0) -> float:
    """The age until which it is cheapest to keep a cache, or 0 if no age costs less than `worthwhile` times the cost of
    keeping none. At least the share `ended` of all gaps is assumed to have no return.
    """
    returns_later = sum(back for _, back in odds)
    unseen = max(0.0, ended - (1 - returns_later))
    best, least = 0.0, worthwhile * (1 - unseen) * break_even_s * returns_later
    held, idle_before = 0.0, 1.0
    for end, width, (idle, back) in zip(_ENDS, _WIDTHS, odds, strict=False):
        held += width * (idle + idle_before) / 2
        returns_later -= back
        idle_before = idle
        cost = (1 - unseen) * (held + break_even_s * returns_later) + unseen * end
        if cost < least:
            best, least = end, cost
    return best
