"""What the user wants most: a short total time, or an early first token.

A window keeps caches, but the sessions outside it wait long for their next answer. A *goal* limits this wait. A request
that has waited for the limit is *let through*: its session gets a place for one answer and then waits again. The engine
computes the context of this session again, and so far as `SHARE` allows, that is the price.
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
    """The shortest total time with which no request waits longer than it would without control."""
    FIRST_TOKEN = "first-token"  # noqa: S105 - a token of text
    """The first token comes within the target if that is possible, else as early as it is possible."""

    __hash__ = object.__hash__  # Enum's is a function in Python, and each member exists once


SHARE = {Goal.THROUGHPUT: 0.0, Goal.BALANCED: 0.25, Goal.FIRST_TOKEN: 0.5}
"""The largest part of the engine's prefill rate that may be spent on requests that are let through."""
BURST_S = 2.0
"""So many seconds of this part may be spent at once after a time without such requests."""
PART = 0.8
"""With `BALANCED`, a request waits at most this part of the time that it would wait without control. The rest is for
the engine, which still has to compute its first token.
"""
CROWDED = 2.0
"""Below this load, in multiples of the cache, nobody waits for `BALANCED` or `FIRST_TOKEN`."""
ANSWERS = 512
"""The share of late answers is that of so many latest answers."""
ENOUGH = 32
"""Answers before the goal says whether its target is met."""
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
    waiting: int
    """Sessions that wait."""
    waiting_tokens: float
    """Their footprints, tokens."""
    cache_tokens: int | None
    """The size of the engine's cache; None until it is known."""
    prefill_tokens_s: float | None
    """Prompt tokens that the engine computes in a second; None until it is known."""

    @property
    def uncontrolled_wait_s(self) -> float:
        """Seconds that a request would wait without control. Without it, no cache survives until the next turn, all
        sessions have about as much context as those with a place have now, and a request waits until the engine has
        computed the contexts of all others.
        """
        mean = self.active_tokens / self.active if self.active else 0.0
        tokens = self.active_tokens + max(self.waiting_tokens, self.waiting * mean)
        return tokens / (self.prefill_tokens_s or UNKNOWN_PREFILL_TOKENS_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalStanding:
    """How far the goal is reached."""

    goal: Goal
    target_s: float | None
    """The first token should come within so many seconds, wait in the queue included; None: there is no target."""
    first_token_p99_s: float | None
    """The 99th percentile of the latest answers, wait in the queue included; None until enough is known."""
    is_met: bool | None
    """Whether the target is met at present; None: there is no target, or not enough is known."""
    let_through: int
    """Requests that were let through so far."""


class FirstTokenGoal:
    """One gate's goal: how long a request may wait, and how much the requests that are let through may cost."""

    def __init__(self, goal: Goal = Goal.THROUGHPUT, target_s: float | None = None) -> None:
        """`target_s`: the first token should come within so many seconds. Without it, `BALANCED` aims at the wait
        without control, and `FIRST_TOKEN` lets requests through as early as its share of the engine allows.
        """
        self.goal = goal
        self.target_s = target_s
        self.let_through = 0
        self._latest: deque[float] = deque(maxlen=ANSWERS)
        self._sorted: SortedList[float] = SortedList()
        self._computing_s = 0.0
        """How long the engine needs for the first token of a request that has waited: a decaying maximum."""
        self._saved_s = BURST_S
        """Unspent share of the engine's time, seconds of its prefill; below 0: spent in advance."""
        self._saved_at = 0.0
        self._is_crowded = False

    def gives_way(self, crowd: Crowd) -> bool:
        """Whether nobody has to wait. With `BALANCED`, waiting begins only when all sessions together need `CROWDED`
        times the cache: with fewer sessions, every wait in the queue would be longer than the waits that it saves. It
        ends when all of them fit.
        """
        if self.goal is Goal.THROUGHPUT or crowd.cache_tokens is None:
            return False
        load = (crowd.active_tokens + crowd.waiting_tokens) / crowd.cache_tokens
        self._is_crowded = load > (1.0 if self._is_crowded else CROWDED)
        return not self._is_crowded

    @property
    def limits_waits(self) -> bool:
        """Whether requests are let through at all."""
        return self.goal is not Goal.THROUGHPUT

    def limit_s(self, crowd: Crowd) -> float:
        """Seconds for which a request may wait; `inf` for no limit."""
        if not self.limits_waits:
            return float("inf")
        if self.target_s is not None:
            return max(0.0, self.target_s - self._computing_s)
        return PART * crowd.uncontrolled_wait_s if self.goal is Goal.BALANCED else 0.0

    @property
    def affordable_at(self) -> float:
        """When the next request may be let through at the earliest."""
        return self._saved_at + max(0.0, -self._saved_s) / SHARE[self.goal]

    def let(self, tokens: float, crowd: Crowd, *, now: float) -> None:
        """A request whose context has so many tokens is let through."""
        self._save(now)
        self.let_through += 1
        self._saved_s -= tokens / (crowd.prefill_tokens_s or UNKNOWN_PREFILL_TOKENS_S)

    def answered(self, *, waited_s: float, first_token_s: float) -> None:
        """An answer has ended: how long its request waited in the line, and then for its first token."""
        if waited_s:
            self._computing_s = max(first_token_s, 0.9 * self._computing_s + 0.1 * first_token_s)
        if len(self._latest) == ANSWERS:
            self._sorted.remove(self._latest[0])
        seconds = waited_s + first_token_s
        self._latest.append(seconds)
        self._sorted.add(seconds)

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

    def _save(self, now: float) -> None:
        self._saved_s = min(BURST_S, self._saved_s + (now - self._saved_at) * SHARE[self.goal])
        self._saved_at = now
