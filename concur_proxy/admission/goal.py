"""What the user wants most: a short total time, or an early first token.

A window keeps caches, but the sessions outside it wait long for their next answer. A *goal* limits this wait. A request
that has waited for the limit is *let through*: its session gets a place for one answer and then waits again. The engine
computes the context of this session again. That is the price, and `SHARE` limits it.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from sortedcontainers import SortedList


class Goal(Enum):
    """The value is the setting."""

    THROUGHPUT = "throughput"
    """The shortest total time. No request is let through."""
    BALANCED = "balanced"
    """A short total time, with waits that are about as long as without control."""
    FIRST_TOKEN = "first-token"  # noqa: S105 - a token of text
    """The first token comes within the target if that is possible, else as early as it is possible."""

    __hash__ = object.__hash__  # Enum's is a function in Python, and each member exists once


SHARE = {Goal.THROUGHPUT: 0.0, Goal.BALANCED: 0.1, Goal.FIRST_TOKEN: 0.2}
"""The largest part of the cache that requests take that are let through, while they are at the engine."""
PART = {Goal.BALANCED: 1.0, Goal.FIRST_TOKEN: 0.7}
"""Without a target, a request waits at most this part of the mean wait without control."""
AIM, URGENT = 0.75, 0.8
"""With a target, a request is let through after this part of it, less the time that the engine needs, if `SHARE` allows
it; and after the second part whatever `SHARE` says.
"""
HASTE, LEAST = 0.02, 0.5
"""Each answer that is late shortens both times by this part of the target, down to the second part of them. Answers in
time make them longer again, so slowly that they are constant while the share `LATE` of all answers is late.
"""
HOPELESS = 0.1
"""The target cannot be met if more than this share of answers is late. It can again when it is met."""
CROWDED = 2.0
"""Below this load, in multiples of the cache, nobody waits if there is no target."""
GROWN = 1.2
"""The same for the load that the present sessions will be in the middle of their lives."""
HALF_LIFE_TURNS = 6.0
"""Agents have about a dozen turns."""
ANSWERS = 512
"""The share of late answers is that of so many latest answers."""
ENOUGH, MANY = 10, 128
"""Answers before the goal says whether its target is met, and before it gives the target up."""
KEPT = 0.75
"""The part of a cache that still finds what it needs when the cache is too small."""
MEMORY = 50
"""Answers after which the engine's slowest first token is mostly forgotten."""
LATE = 0.01
"""The target is met if at most this share of answers is later: it is for the 99th percentile."""
UNKNOWN_PREFILL_TOKENS_S = 5_000.0
"""The engine's prefill rate until it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The sessions that have a place or wait for one, and the engine."""

    active: int
    """Sessions with a place."""
    active_tokens: float
    """Their footprints, tokens."""
    pausing_tokens: float
    """The part of them that belongs to sessions whose places end with their present answers, tokens."""
    waiting: int
    """Sessions that wait."""
    waiting_tokens: float
    """Their footprints, tokens."""
    cache_tokens: int | None
    """The size of the engine's cache; None until it is known."""
    growth_tokens: float
    """Tokens by which a session grows in a turn; 0 until it is known."""
    prefill_tokens_s: float | None
    """Prompt tokens that the engine computes in a second; None until it is known."""

    @property
    def grown_tokens(self) -> float:
        """What the sessions will need in the middle of their lives, at least."""
        return (self.active + self.waiting) * HALF_LIFE_TURNS * self.growth_tokens

    @property
    def uncontrolled_wait_s(self) -> float:
        """Seconds that a request would wait without control, about. Without it, all sessions have as much context as
        those with a place have now. What does not fit in the cache is computed again in each round of turns, and a
        request waits for a round.
        """
        mean = self.active_tokens / self.active if self.active else 0.0
        tokens = self.active_tokens + max(self.waiting_tokens, self.waiting * mean)
        beyond = tokens - KEPT * (self.cache_tokens or 0)
        return max(0.0, beyond) / (self.prefill_tokens_s or UNKNOWN_PREFILL_TOKENS_S)


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
        self._sorted: SortedList[float] = SortedList()
        self._computing_s = 0.0
        """How long the engine needs for the first token of a request that has waited: a decaying maximum."""
        self.gives_way = False
        """Whether nobody has to wait, as of the last `review`."""
        self._is_crowded = False
        self._is_hopeless = False
        self._reach = 1.0
        """What is left of both times after answers that were late, as a part."""

    def review(self, crowd: Crowd) -> None:
        """Decide whether sessions have to wait at all. Without a target, waiting begins only when all sessions together
        need `CROWDED` times the cache, or will need `GROWN` times the cache in the middle of their lives. With fewer
        sessions, the waits in the queue would be longer than those in an engine without control. Waiting ends when all
        of them fit.
        """
        if self.goal is Goal.THROUGHPUT or self.target_s is not None or crowd.cache_tokens is None:
            return
        load = (crowd.active_tokens + crowd.waiting_tokens) / crowd.cache_tokens
        will_grow = crowd.grown_tokens > GROWN * crowd.cache_tokens
        self._is_crowded = load > (1.0 if self._is_crowded or will_grow else CROWDED)
        self.gives_way = not self._is_crowded

    @property
    def limits_waits(self) -> bool:
        """Whether requests are let through at all."""
        return self.goal is not Goal.THROUGHPUT

    def limit_s(self, crowd: Crowd) -> float:
        """Seconds for which a request may wait; `inf` for no limit."""
        if not self.limits_waits:
            return float("inf")
        if self.target_s is not None:
            return max(0.0, self._reach * AIM * self.target_s - self._computing_s)
        return PART[self.goal] * crowd.uncontrolled_wait_s

    def may_let_through(self, tokens: float, crowd: Crowd) -> bool:
        """Whether one more request, whose session has so many tokens, may be let through now. One at a time always
        may, so that no request waits for ever.
        """
        if not crowd.pausing_tokens:
            return True
        return crowd.cache_tokens is not None and crowd.pausing_tokens + tokens <= SHARE[self.goal] * crowd.cache_tokens

    def urgent_s(self) -> float:
        """Seconds after which a request is let through whatever `SHARE` says; `inf`: never. If many answers are late
        even so, the target cannot be met, and it is not worth the caches that this costs.
        """
        if self.goal is not Goal.FIRST_TOKEN or self.target_s is None or self._is_hopeless:
            return float("inf")
        return max(0.0, self._reach * URGENT * self.target_s - self._computing_s)

    def answered(self, *, waited_s: float, first_token_s: float) -> None:
        """An answer has ended: how long its request waited for admission, and then for its first token."""
        if waited_s:
            self._computing_s = max(first_token_s, self._computing_s + (first_token_s - self._computing_s) / MEMORY)
        if len(self._latest) == ANSWERS:
            self._sorted.remove(self._latest[0])
        seconds = waited_s + first_token_s
        self._latest.append(seconds)
        self._sorted.add(seconds)
        if self.target_s is not None:
            late = len(self._sorted) - self._sorted.bisect_right(self.target_s)
            change = -HASTE if seconds > self.target_s else HASTE * LATE
            self._reach = min(1.0, max(LEAST, self._reach + change))
            most = LATE if self._is_hopeless else HOPELESS
            self._is_hopeless = len(self._sorted) >= MANY and late > most * len(self._sorted)

    def standing(self, *, longest_wait_s: float = 0.0) -> GoalStanding:
        """How far the goal is reached. `longest_wait_s`: for how long a request waits now."""
        p99 = None if len(self._sorted) < ENOUGH else self._sorted[int((1 - LATE) * (len(self._sorted) - 1))]
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
