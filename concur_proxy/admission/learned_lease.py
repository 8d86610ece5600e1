"""A lease that is learned from how long sessions were idle between two turns, and whether they came back."""

from itertools import count

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.gap_curve import GapCurve, LifeTable, cheapest


class LearnedLease:
    """The lease with the lowest expected cost over the recent gaps: the ski-rental problem with known odds.

    Keeping a session's cache for a second costs what the engine could have done with that part of its cache. Giving the
    cache up costs the prefill that computes it again. Both costs are proportional to the session's size. So whatever
    the size, they are equal after the *break-even* time

        T = capacity / prefill rate

    Let S(t) be the probability that a session is still idle t seconds after its answer, and R(t) the probability that
    it comes back later than that. The mean cost of a lease L, in seconds, is

        (integral of S from 0 to L) + T R(L)

    A session that never comes back costs the whole lease and no prefill. L is the length for which this cost is lowest.
    But L is 0 if that cost is not below `WORTHWHILE` times T R(0), the cost without any lease: then no cache is worth
    keeping between two turns. If that is true of all gaps that occur, the gate admits every session. At least a share
    of `ENDED` of all sessions is assumed never to come back.

    S and R come from one `GapCurve` for each kind of gap.
    """

    REVIEW_EVERY_S = 0.1
    """Shortest time between two reviews."""
    ENOUGH = 8
    """Returns before the first judgement of a curve, and between two judgements that no review asks for."""
    ENOUGH_SILENCE = 40.0
    """Without returns, a curve is first judged after a time in which this many would have been usual: for example,
    80 sessions that are idle for 0.35 s each.
    """
    ENOUGH_SILENCE_OF_IDLE = 10.0
    """The same while the engine is idle. A first wave that keeps the engine busy is still being computed, so its
    silence says little yet. If the engine is idle, each second of caution is lost.
    """
    LATELY = 128
    """A kind of gap occurs at present if one of this many latest gaps was of this kind."""
    WORTH_A_WAIT = 0.2
    """Smallest share of the returns at present whose kinds of gap must have a lease. All sessions wait for their sake.
    """
    ENDED = 0.08
    """Smallest share of gaps without a return that is assumed. Clients rarely report the end of a session, an end shows
    only after a long silence, and agents have about a dozen turns.
    """
    WORTHWHILE = 0.5
    """Highest cost of a worthwhile lease, as a share of the cost without a lease. It is below 1 because a kept cache is
    never fully used, and a cache that was given up is not always lost.
    """
    STAY = 0.6
    """The same limit while there is a lease. It is higher, so that the lease does not come and go."""
    SHORTEST_S = 0.25
    """Added to the cheapest length, for the jitter of client and network, seconds."""
    FIRST_S = 5.0
    """The lease until enough is known. Short, so that a first wave with slow tools does not block others."""
    FIRST_BREAK_EVEN_S = 10.0
    """T until the engine's rates are known. On a loaded engine, a paused prefix was seen to survive 10 to 12 s."""

    def __init__(self) -> None:
        self._kinds = {kind: _Kind(self.FIRST_S) for kind in Gap}
        self._numbers = count(1)
        self._last = 0
        self._unjudged = 0
        self._reviewed_at = float("-inf")
        self._now = 0.0
        self._break_even_s = self.FIRST_BREAK_EVEN_S
        self._keeps_caches: bool | None = None
        """None: not asked for since the last change."""

    def duration_s(self, kind: Gap) -> float:
        """The present length of the lease, seconds."""
        return self._kinds[kind].duration_s

    @property
    def keeps_caches(self) -> bool:
        """Whether a lease is worthwhile for enough of the gaps that occur at present. A kind of which too little is
        known does not count if another one is known.
        """
        if self._keeps_caches is None:
            self._keeps_caches = self._are_worth_a_wait()
        return self._keeps_caches

    def _are_worth_a_wait(self) -> bool:
        present = [kind for kind in self._kinds.values() if kind.last > max(0, self._last - self.LATELY)]
        known = [kind for kind in present if kind.is_known] or present
        kept = [kind for kind in known if kind.duration_s > 0]
        enough = self.WORTH_A_WAIT * sum(kind.returns_lately for kind in known)
        return not present or (bool(kept) and sum(kind.returns_lately for kind in kept) >= enough)

    def return_odds(self, kind: Gap) -> float:
        """The probability that a session comes back after an answer; 1 until enough is known."""
        return self._kinds[kind].return_odds()

    def begin_gap(self, kind: Gap, *, now: float) -> int:
        """Start to count a gap."""
        self._last = number = next(self._numbers)
        self._kinds[kind].last = number
        self._keeps_caches = None
        self._kinds[kind].curve.begin(number, now=now)
        return number

    def end_gap(self, number: int, *, now: float, came_back: bool) -> None:
        """Remember how the gap ended."""
        for kind in self._kinds.values():
            if number in kind.curve:
                kind.curve.end(number, now=now, came_back=came_back)
                self._unjudged += 1
                if came_back:
                    self._count_return(kind)
        if self._unjudged >= self.ENOUGH:
            self._judge(now)

    def review(self, *, now: float, is_engine_idle: bool = False) -> None:
        """Judge again if the last judgement was `REVIEW_EVERY_S` ago."""
        if now - self._reviewed_at >= self.REVIEW_EVERY_S:
            self._judge(now, self.ENOUGH_SILENCE_OF_IDLE if is_engine_idle else self.ENOUGH_SILENCE)

    def observe_break_even(self, seconds: float) -> None:
        """Take the engine's present break-even time, seconds."""
        self._break_even_s = seconds
        self._judge(self._now)

    def begin_with(self, seconds: float) -> None:
        """Use a lease of `seconds` for each kind of gap until enough is known about it."""
        self._keeps_caches = None
        for kind in self._kinds.values():
            if not kind.is_known:
                kind.duration_s = seconds

    def _count_return(self, kind: "_Kind") -> None:
        for each in self._kinds.values():
            each.returns_lately *= 1 - 1 / self.LATELY
        kind.returns += 1
        kind.returns_lately += 1
        self._keeps_caches = None

    def _judge(self, now: float, enough_silence: float = ENOUGH_SILENCE) -> None:
        self._now = self._reviewed_at = now
        self._unjudged = 0
        self._keeps_caches = None
        for kind in self._kinds.values():
            kind.judge(now, self._break_even_s, enough_silence)


class _Kind:
    """What is known about one kind of gap."""

    def __init__(self, duration_s: float) -> None:
        self.curve = GapCurve()
        self.duration_s = duration_s
        self.returns = 0
        self.returns_lately = 0.0
        """The same, where a return loses weight with each later one of any kind."""
        self.is_known = False
        self.last = 0
        """The number of the latest gap of this kind."""
        self._table: LifeTable | None = None
        """The curve at the last judgement."""
        self._return_odds: float | None = 1.0
        """None: not asked for since the last judgement."""
        self._judged = (-1, 0.0)
        """The changes of the curve, and the break-even time, at the last judgement."""

    def return_odds(self) -> float:
        """The probability that a session comes back, as of the last judgement; 1 until enough is known."""
        if self._return_odds is None and self._table is not None:
            self._return_odds = self._table.return_odds()
        return 1.0 if self._return_odds is None else self._return_odds

    def judge(self, now: float, break_even_s: float, enough_silence: float) -> None:
        """Choose the length of the lease, if enough is known."""
        curve = self.curve
        curve.advance(now=now)
        if not self.is_known:
            is_known = self.returns >= LearnedLease.ENOUGH or curve.usual_returns(now=now) >= enough_silence
            self.is_known = is_known
            if not is_known:
                return
        seen = curve.changes, break_even_s
        if seen == self._judged and not curve:
            return  # no gap is open, so that time alone changes nothing
        self._judged = seen
        self._table, self._return_odds = curve.table(now=now), None
        worthwhile = LearnedLease.STAY if self.duration_s > 0 else LearnedLease.WORTHWHILE
        length = cheapest(
            self._table.odds(), break_even_s=break_even_s, worthwhile=worthwhile, ended=LearnedLease.ENDED
        )
        self.duration_s = length + LearnedLease.SHORTEST_S if length else 0.0
