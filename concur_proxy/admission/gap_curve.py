"""How probable it is that a session comes back, by how long it has been idle: a life table of gaps."""

import math
from itertools import pairwise

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
_WIDTHS = tuple(end - begin for begin, end in pairwise(EDGES))
_USUAL_S = 0.5
_USUAL_HAZARDS = tuple(math.log((_USUAL_S + end) / (_USUAL_S + begin)) for begin, end in pairwise(EDGES))
"""How many returns are usual in each bucket per session that reaches it: half of the gaps of an agent are shorter than
0.5 s, and 95 % are shorter than 10 s. The gaps of training and evaluation fleets are shorter (86 % below 1 s), those of
a person's coding agent are longer (half of them below 10 s).
"""


class GapCurve:
    """Counts, for each bucket of ages, the gaps that reached it and those that ended in it.

    A gap that is still open counts as silent in every bucket that it has passed, and as a part of a gap in its present
    bucket. So a session that never returns teaches as much as one that does. In each bucket the last `MEMORY` gaps
    count most. Cost: O(buckets) per gap in its whole life, O(buckets) per question.
    """

    MEMORY = 128
    """The weight of a gap falls to 1/e after this many others: they are on average as old as the last 256."""
    PRIOR = 0.5
    """Number of sessions that are added to each bucket, so that few gaps do not count as certainty."""
    PRIOR_RETURNS = 4.0
    """Number of returns, and of usual returns, that are added before these two are compared."""

    def __init__(self) -> None:
        self._reached = [0.0] * len(_WIDTHS)
        self._returned = [0.0] * len(_WIDTHS)
        self._ended = [0.0] * len(_WIDTHS)
        self._open: list[dict[int, float]] = [{} for _ in _WIDTHS]
        self._sums = [0.0] * len(_WIDTHS)
        self._buckets: dict[int, int] = {}

    def __len__(self) -> int:
        """Number of open gaps."""
        return len(self._buckets)

    def __contains__(self, number: int) -> bool:
        """Whether this gap is open."""
        return number in self._buckets

    def begin(self, number: int, *, now: float) -> None:
        """Open a gap."""
        self._enter(0, number, now)

    def end(self, number: int, *, now: float, came_back: bool) -> None:
        """Close a gap: the session is back, or it has ended and its cache is not needed any more."""
        self.advance(now=now)
        bucket = self._buckets.get(number)
        if bucket is not None:
            self._leave(bucket, number, returned=came_back, ended=not came_back)

    def advance(self, *, now: float) -> None:
        """Let open gaps pass to the buckets of their present ages."""
        for bucket, gaps in enumerate(self._open):
            while gaps:
                number, begun_at = next(iter(gaps.items()))
                if now - begun_at < EDGES[bucket + 1]:
                    break
                self._leave(bucket, number)
                if bucket + 1 < len(_WIDTHS):
                    self._enter(bucket + 1, number, begun_at)

    def _enter(self, bucket: int, number: int, begun_at: float) -> None:
        self._open[bucket][number] = begun_at
        self._sums[bucket] += begun_at
        self._buckets[number] = bucket

    def _leave(self, bucket: int, number: int, *, returned: bool = False, ended: bool = False) -> None:
        gaps, kept = self._open[bucket], 1 - 1 / self.MEMORY
        begun_at = gaps.pop(number)
        self._sums[bucket] = self._sums[bucket] - begun_at if gaps else 0.0
        del self._buckets[number]
        self._reached[bucket] = self._reached[bucket] * kept + 1
        self._returned[bucket] = self._returned[bucket] * kept + returned
        self._ended[bucket] = self._ended[bucket] * kept + ended

    def usual_returns(self, *, now: float) -> float:
        """Number of returns that would have been usual in the time that is remembered."""
        return sum(map(float.__mul__, self._at_risk(now), _USUAL_HAZARDS))

    def _at_risk(self, now: float) -> list[float]:
        """For each bucket, the number of gaps that have reached it. An open gap counts in its present bucket as the
        part of the bucket that it has passed.
        """
        return [
            reached + (len(gaps) * (now - begin) - total) / width if gaps else reached
            for reached, gaps, total, begin, width in zip(
                self._reached, self._open, self._sums, EDGES, _WIDTHS, strict=False
            )
        ]

    def odds(self, *, now: float) -> list[tuple[float, float]]:
        """For each bucket, the probabilities that a session is still idle at its end, and that it came back within it.
        Both are as seen from the begin of the gap. Nobody is expected to return later than anyone has been seen to.
        """
        return self._odds(self._at_risk(now), 0.0)

    def return_odds(self, *, now: float) -> float:
        """The probability that a session comes back at all.

        Later than any gap that has been seen, the usual rate of returns is assumed, times a factor: the number of
        returns so far divided by the number that would have been usual.
        """
        at_risk = self._at_risk(now)
        usual = sum(map(float.__mul__, at_risk, _USUAL_HAZARDS))
        factor = (self.PRIOR_RETURNS + sum(self._returned)) / (self.PRIOR_RETURNS + usual)
        return min(1.0, sum(back for _, back in self._odds(at_risk, factor)))

    def _odds(self, at_risk: list[float], factor: float) -> list[tuple[float, float]]:
        """`factor`: how often the added sessions return, relative to what is usual."""
        idle, odds = 1.0, []
        for number, returned, ended, hazard in zip(at_risk, self._returned, self._ended, _USUAL_HAZARDS, strict=True):
            weight = number + self.PRIOR
            back = idle * (returned - self.PRIOR * math.expm1(-factor * hazard)) / weight
            idle = max(0.0, idle - back - idle * ended / weight)
            odds.append((idle, back))
        return odds


def cheapest(odds: list[tuple[float, float]], *, break_even_s: float, worthwhile: float, ended: float = 0.0) -> float:
    """The age until which it is cheapest to keep a cache, or 0 if no age costs less than `worthwhile` times the cost of
    keeping none. At least the share `ended` of all gaps is assumed to have no return.
    """
    returns_later = sum(back for _, back in odds)
    unseen = max(0.0, ended - (1 - returns_later))
    best, least = 0.0, worthwhile * (1 - unseen) * break_even_s * returns_later
    held, idle_before = 0.0, 1.0
    for end, width, (idle, back) in zip(EDGES[1:], _WIDTHS, odds, strict=True):
        held += width * (idle + idle_before) / 2
        returns_later -= back
        idle_before = idle
        cost = (1 - unseen) * (held + break_even_s * returns_later) + unseen * end
        if cost < least:
            best, least = end, cost
    return best
