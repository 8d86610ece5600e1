"""What the user wants most: a short total time, or an early first token.

A window keeps caches, but the sessions outside it wait long for their next answer. A *goal* limits this wait. A request
that has waited for the limit is *let through*: its session gets a place for one answer and then waits again. The engine
computes the context of this session again. That is the price, and `PACE` limits it: requests are let through one after
the other, at a part of the engine's prefill rate. So they do not queue in the engine, and the sessions with a place are
hardly slowed down. If many requests have to be let through, the first ones are due earlier, so that the last ones come
in time too.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from concur_proxy.admission.crowd import UNKNOWN_PREFILL_TOKENS_S, Crowd


class Goal(Enum):
    """The value is the setting."""

    THROUGHPUT = "throughput"
    """The shortest total time. No request is let through."""
    BALANCED = "balanced"
    """A short total time, with waits that are about as long as without control."""
    FIRST_TOKEN = "first-token"  # noqa: S105 - a token of text
    """The first token comes within the target if that is possible, else as early as it is possible."""

    __hash__ = object.__hash__  # Enum's is a function in Python, and each member exists once


PACE = {Goal.BALANCED: 0.5, Goal.FIRST_TOKEN: 0.7}
"""The largest part of the engine's prefill rate that goes to contexts of requests that are let through."""
SHARE, LARGER_SHARE = 0.2, 0.3
"""The largest part of the cache that these requests take while they are at the engine; and the same with `FIRST_TOKEN`
if the plan is late.
"""
PART = {Goal.BALANCED: 1.2, Goal.FIRST_TOKEN: 0.7}
"""Without a target, a request waits at most for so many times the mean wait without control."""
WAIT_HALF_LIFE_S = 600.0
"""While requests have to wait, the longest wait without control is remembered, and halved in this time."""
AIM = 0.9
"""With a target, a request waits at most this part of it, less the time that the engine needs."""
MOST_COMPUTING = 0.4
"""The engine's time counts at most as this part of the target: a longer one shows that too much is let through."""
PLANNED = 0.7
"""The plan reckons with this part of the pace: sessions with a place use the engine too."""
MOST_PLANNED = 1_000
"""Requests that the plan looks at. If so many wait, the later ones change little."""
BEHIND, FAR_BEHIND = 0.05, 0.15
"""The plan is late if it is behind by more than the first part of the target. Beyond the second part, requests are
earlier without control.
"""
CATCH_UP_S = 1.0
"""So much of the pace that was not used can be used later, seconds."""
HOPELESS = 2.0
"""Control begins again if a request would wait for so many times the target without it."""
CROWDED = 2.0
"""Below this load, in multiples of the cache, nobody waits if there is no target."""
GROWN = 1.2
"""The same for the load that the present sessions will be in the middle of their lives."""
ANSWERS = 512
"""The share of late answers is that of so many latest answers."""
ENOUGH = 10
"""Answers before the goal says whether its target is met."""
MEMORY = 50
"""Answers after which the engine's slowest first token is mostly forgotten."""
LATE = 0.01
"""The target is met if at most this share of answers is later: it is for the 99th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalStanding:
    """How far the goal is reached."""

    goal: Goal
    target_s: float | None
    """The first token should come within so many seconds, waiting included; None: there is no target."""
    first_token_p99_s: float | None
    """The 99th percentile of the latest answers, waiting included; None until enough is known."""
    is_met: bool | None
    """Whether the target is met at present; None: there is no target, or not enough is known."""
    let_through: int
    """Requests that were let through so far."""


class FirstTokenGoal:
    """One gate's goal: how long a request may wait, and how much the requests that are let through may cost."""

    def __init__(self, goal: Goal = Goal.THROUGHPUT, target_s: float | None = None) -> None:
        """`target_s`: the first token should come within so many seconds. Without it, `BALANCED` aims at the wait
        without control, and `FIRST_TOKEN` at a part of it.
        """
        self.goal = goal
        self.target_s = target_s
        self.let_through = 0
        self._latest: deque[float] = deque(maxlen=ANSWERS)
        self._p99_s: float | None = None
        """Of the latest answers; None until it is asked for after an answer, or too few are known."""
        self._computing_s = 0.0
        """How long the engine needs for the first token of a request that has waited: a decaying maximum."""
        self._is_late = False
        """Whether the last plan is late."""
        self._uncontrolled_s = 0.0
        """The longest wait without control, as of the last plan."""
        self._planned_at: float | None = None
        """The time of the last plan."""
        self._start_by = float("inf")
        """When the first request must be let through so that the others come in time, as of the last plan."""
        self._next_at = float("-inf")
        """When the pace allows the next request."""
        self.gives_way = False
        """Whether nobody has to wait at present."""
        self._is_crowded = False

    def review(self, crowd: Crowd) -> None:
        """Decide whether sessions have to wait at all. Without a target, waiting begins only when all sessions together
        need `CROWDED` times the cache, or will need `GROWN` times the cache in the middle of their lives. With fewer
        sessions, the waits in the queue would be longer than those in an engine without control. Waiting ends when all
        of them fit.
        """
        if self.goal is Goal.THROUGHPUT or self.target_s is not None or crowd.cache_tokens is None:
            return
        will_grow = crowd.grown_tokens > GROWN * crowd.cache_tokens
        self._is_crowded = crowd.load > (1.0 if self._is_crowded or will_grow else CROWDED)
        self.gives_way = not self._is_crowded

    def plan(self, waits: Iterable[tuple[float, float]], crowd: Crowd, *, now: float) -> None:
        """Plan when requests must be let through. `waits`: since when each request waits, and the tokens of its
        session, the one that has waited longest first.

        With `FIRST_TOKEN` and a target that this cannot meet, but that the engine may meet without control, nobody
        waits until all sessions fit in the cache.
        """
        self._remember(crowd, now)
        limit_s, rate, tokens = self.limit_s(crowd), PLANNED * self._rate(crowd), 0.0
        self._start_by = float("inf")
        for arrived_at, size in islice(waits, MOST_PLANNED):
            self._start_by = min(self._start_by, arrived_at + limit_s - tokens / rate)
            tokens += size
        if self.goal is not Goal.FIRST_TOKEN or self.target_s is None or crowd.prefill_tokens_s is None:
            return
        behind = (now - self._start_by) / self.target_s
        self._is_late = behind > BEHIND
        if self.gives_way:
            self.gives_way = crowd.load > 1.0 and crowd.round_s <= HOPELESS * self.target_s
        else:
            self.gives_way = behind > FAR_BEHIND and crowd.load > 1.0 and crowd.round_s <= self.target_s

    @property
    def limits_waits(self) -> bool:
        """Whether requests are let through at all."""
        return self.goal is not Goal.THROUGHPUT

    def limit_s(self, crowd: Crowd) -> float:
        """Seconds for which a request may wait; `inf` for no limit."""
        if not self.limits_waits:
            return float("inf")
        if self.target_s is not None:
            return AIM * self.target_s - min(self._computing_s, MOST_COMPUTING * self.target_s)
        return PART[self.goal] * max(self._uncontrolled_s, crowd.uncontrolled_wait_s)

    def due_at(self, arrived_at: float, tokens: float, crowd: Crowd) -> float:
        """When the request that has waited longest may be let through, if nothing changes; `inf`: when others that were
        let through have been answered. `tokens`: the size of its session. One at a time always may, so that no request
        waits for ever.
        """
        if not self.limits_waits:
            return float("inf")
        room = (LARGER_SHARE if self._is_late else SHARE) * (crowd.cache_tokens or 0) - crowd.pausing_tokens
        if crowd.pausing_tokens and tokens > room:
            return float("inf")
        return max(self._next_at, min(arrived_at + self.limit_s(crowd), self._start_by))

    def let(self, tokens: float, crowd: Crowd, *, now: float) -> None:
        """A request is let through, whose session has so many tokens."""
        self.let_through += 1
        self._next_at = max(self._next_at, now - CATCH_UP_S) + tokens / self._rate(crowd)

    def _remember(self, crowd: Crowd, now: float) -> None:
        """Remember the longest wait without control: sessions become fewer and younger because of control."""
        passed_s = 0.0 if self._planned_at is None else now - self._planned_at
        before = self._uncontrolled_s * 0.5 ** (passed_s / WAIT_HALF_LIFE_S) if self._is_crowded else 0.0
        self._uncontrolled_s, self._planned_at = max(crowd.uncontrolled_wait_s, before), now

    def _rate(self, crowd: Crowd) -> float:
        """Tokens of context that may be let through in a second."""
        return PACE[self.goal] * (crowd.prefill_tokens_s or UNKNOWN_PREFILL_TOKENS_S)

    def answered(self, *, waited_s: float, first_token_s: float) -> None:
        """An answer has ended: how long its request waited for admission, and then for its first token."""
        if waited_s:
            self._computing_s = max(first_token_s, self._computing_s + (first_token_s - self._computing_s) / MEMORY)
        self._latest.append(waited_s + first_token_s)
        self._p99_s = None

    def standing(self, *, longest_wait_s: float = 0.0) -> GoalStanding:
        """How far the goal is reached. `longest_wait_s`: for how long a request waits now."""
        count = len(self._latest)
        if self._p99_s is None and count >= ENOUGH:
            self._p99_s = sorted(self._latest)[int((1 - LATE) * (count - 1))]
        p99 = self._p99_s
        if p99 is not None and self.target_s is not None and longest_wait_s > self.target_s:
            p99 = max(p99, longest_wait_s)
        is_met = None if p99 is None or self.target_s is None else p99 <= self.target_s
        return GoalStanding(
            goal=self.goal,
            target_s=self.target_s,
            first_token_p99_s=p99,
            is_met=is_met,
            let_through=self.let_through,
        )
