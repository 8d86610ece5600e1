"""The lease by its plain formulas: at each judgement everything is computed again, over the whole table."""

import math
from itertools import pairwise

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.gap_curve import EDGES, GapCurve
from concur_proxy.admission.learned_lease import LearnedLease

WIDTHS = [end - begin for begin, end in pairwise(EDGES)]
HAZARDS = [math.log((0.5 + end) / (0.5 + begin)) for begin, end in pairwise(EDGES)]
KEPT = 1 - 1 / GapCurve.MEMORY


class PlainCurve:
    """The life table. A gap passes through the buckets of its ages."""

    def __init__(self) -> None:
        self.reached, self.returned, self.ended = ([0.0] * len(WIDTHS) for _ in range(3))
        self.open: dict[int, tuple[float, int]] = {}
        """When each open gap began, and its bucket."""

    def advance(self, now: float) -> None:
        for bucket in range(len(WIDTHS)):
            for number, (begun_at, place) in list(self.open.items()):
                if place == bucket and now - begun_at >= EDGES[bucket + 1]:
                    self.count(bucket)
                    self.open[number] = begun_at, bucket + 1
        self.open = {number: gap for number, gap in self.open.items() if gap[1] < len(WIDTHS)}

    def end(self, number: int, now: float, *, came_back: bool) -> bool:
        self.advance(now)
        if number not in self.open:
            return False
        self.count(self.open.pop(number)[1], returned=came_back, ended=not came_back)
        return True

    def count(self, bucket: int, *, returned: bool = False, ended: bool = False) -> None:
        for column, one in ((self.reached, True), (self.returned, returned), (self.ended, ended)):
            column[bucket] = column[bucket] * KEPT + one

    def at_risk(self, now: float) -> list[float]:
        parts = list(self.reached)
        for begun_at, bucket in self.open.values():
            parts[bucket] += (now - begun_at - EDGES[bucket]) / WIDTHS[bucket]
        return parts

    def usual(self, now: float) -> float:
        return sum(number * hazard for number, hazard in zip(self.at_risk(now), HAZARDS, strict=True))

    def odds(self, now: float, factor: float) -> list[tuple[float, float]]:
        idle, odds = 1.0, []
        for number, returned, ended, hazard in zip(self.at_risk(now), self.returned, self.ended, HAZARDS, strict=True):
            weight = number + GapCurve.PRIOR
            back = idle * (returned - GapCurve.PRIOR * math.expm1(-factor * hazard)) / weight
            idle = max(0.0, idle - back - idle * ended / weight)
            odds.append((idle, back))
        return odds

    def return_odds(self, now: float) -> float:
        factor = (GapCurve.PRIOR_RETURNS + sum(self.returned)) / (GapCurve.PRIOR_RETURNS + self.usual(now))
        return min(1.0, sum(back for _, back in self.odds(now, factor)))


class PlainKind:
    """What is known about one kind of gap."""

    def __init__(self) -> None:
        self.curve = PlainCurve()
        self.duration_s, self.return_odds, self.returns, self.is_known = LearnedLease.FIRST_S, 1.0, 0, False


class PlainLease:
    """`LearnedLease` without any short cut."""

    def __init__(self) -> None:
        self.kinds = {kind: PlainKind() for kind in Gap}
        self.unjudged, self.reviewed_at, self.now = 0, float("-inf"), 0.0
        self.break_even_s = LearnedLease.FIRST_BREAK_EVEN_S

    def begin_gap(self, kind: Gap, number: int, now: float) -> None:
        self.kinds[kind].curve.open[number] = now, 0

    def end_gap(self, number: int, now: float, *, came_back: bool) -> None:
        for kind in self.kinds.values():
            if number in kind.curve.open:
                kind.curve.end(number, now, came_back=came_back)
                kind.returns += came_back
                self.unjudged += 1
        if self.unjudged >= LearnedLease.ENOUGH:
            self.judge(now, LearnedLease.ENOUGH_SILENCE)

    def review(self, now: float, *, is_engine_idle: bool) -> None:
        enough = LearnedLease.ENOUGH_SILENCE_OF_IDLE if is_engine_idle else LearnedLease.ENOUGH_SILENCE
        if now - self.reviewed_at >= LearnedLease.REVIEW_EVERY_S:
            self.judge(now, enough)

    def observe_break_even(self, seconds: float) -> None:
        self.break_even_s = seconds
        self.judge(self.now, LearnedLease.ENOUGH_SILENCE)

    def judge(self, now: float, enough_silence: float) -> None:
        self.now = self.reviewed_at = now
        self.unjudged = 0
        for kind in self.kinds.values():
            kind.curve.advance(now)
            kind.is_known = (
                kind.is_known or kind.returns >= LearnedLease.ENOUGH or kind.curve.usual(now) >= enough_silence
            )
            if kind.is_known:
                worthwhile = LearnedLease.STAY if kind.duration_s > 0 else LearnedLease.WORTHWHILE
                length = self.cheapest(kind.curve.odds(now, 0.0), worthwhile)
                kind.duration_s = length + LearnedLease.SHORTEST_S if length else 0.0
                kind.return_odds = kind.curve.return_odds(now)

    def cheapest(self, odds: list[tuple[float, float]], worthwhile: float) -> float:
        later = sum(back for _, back in odds)
        unseen = max(0.0, LearnedLease.ENDED - (1 - later))
        best, least = 0.0, worthwhile * (1 - unseen) * self.break_even_s * later
        held, before = 0.0, 1.0
        for end, width, (idle, back) in zip(EDGES[1:], WIDTHS, odds, strict=True):
            held += width * (idle + before) / 2
            later, before = later - back, idle
            cost = (1 - unseen) * (held + self.break_even_s * later) + unseen * end
            if cost < least:
                best, least = end, cost
        return best
