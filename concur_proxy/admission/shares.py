"""Weighted fair shares between claimants, which are tenants or priority classes.

This is a virtual token counter (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024), extended to
places that last for many requests. Each claimant has a *level*: the tokens that it was served while others waited, plus
the tokens that its places will probably use, both divided by its weight. The waiting claimant with the lowest level is
next, so levels rise together, and service is divided by weight.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from heapq import heapify, heappop, heapreplace

from sortedcontainers import SortedDict, SortedSet

MOST_IDLE = 10_000
"""Remembered claimants without any session."""
LEARNED_FROM = 16
"""The cost of a place is a mean over about this many places."""
FIRST_COST = 1_000.0
"""Tokens that a place is expected to use while no place has ended."""

Tag = tuple[float, int]
"""Orders the waiting sessions of all claimants: the level that the claimant has when this session is next, and its
number.
"""


class Cost:
    """How many tokens a place will still use: half the mean of places that have ended."""

    def __init__(self) -> None:
        self.expected = FIRST_COST
        self._seen = 0

    def learn(self, tokens: float) -> None:
        """A place has ended that used this many tokens."""
        self._seen = min(self._seen + 1, LEARNED_FROM)
        self.expected = max(self.expected + (tokens / 2 - self.expected) / self._seen, 1.0)


class Claimant:
    """One tenant, or one priority class. Only `Shares` writes to it."""

    __slots__ = ("active", "behind", "name", "number", "reserved", "served", "waiting", "weight")

    def __init__(self, name: str, number: int, weight: float) -> None:
        self.name = name
        self.number = number
        """Unique. The lowest comes first if levels are equal."""
        self.weight = weight
        self.served = 0.0
        """Tokens that it was served while others waited, divided by its weight at that time."""
        self.reserved = 0.0
        """Tokens that its places are expected to use."""
        self.waiting = 0
        """Sessions that wait."""
        self.active = 0
        """Sessions that have a place."""
        self.behind = 0.0
        """How much less it had been served than all others that waited, when its last session ceased to wait. It gets
        this later, unless it becomes idle.
        """

    @property
    def level(self) -> float:
        """Tokens per weight."""
        return self.served + self.reserved / self.weight


class Shares:
    """The claimants that compete with each other. Changes cost O(log n) in the number of claimants."""

    def __init__(self, cost: Cost) -> None:
        """`cost`: what a place uses."""
        self._cost = cost
        self._claimants: dict[str, Claimant] = {}
        self._line: SortedDict[Tag, Claimant] = SortedDict()
        """The waiting claimants by level."""
        self._by_service: SortedSet[Tag] = SortedSet()
        """The waiting claimants by `served`."""
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._floor = 0.0
        self._numbers = 0

    def __bool__(self) -> bool:
        """Whether anyone waits."""
        return bool(self._line)

    @property
    def floor(self) -> float:
        """Where a claimant begins that was idle: at the service of the waiting claimant that was served least. What it
        did not use while it was idle is not saved up.
        """
        return max(self._floor, self._by_service[0][0]) if self._by_service else self._floor

    def get(self, name: str) -> Claimant | None:
        """The claimant of this name, or None if it was not seen, or was forgotten."""
        return self._claimants.get(name)

    def open(self, name: str, weight: float) -> Claimant:
        """The claimant of this name, with this weight from now on."""
        claimant = self._claimants.get(name)
        if claimant is None:
            self._numbers += 1
            claimant = self._claimants[name] = Claimant(name, self._numbers, weight)
        elif claimant.weight != weight:
            self._out(claimant)
            claimant.weight = weight
            self._back(claimant)
        return claimant

    def first(self) -> Claimant | None:
        """The waiting claimant with the lowest level, or None."""
        return self._line.peekitem(0)[1] if self._line else None

    def wait(self, claimant: Claimant) -> None:
        """One more of its sessions waits."""
        self._out(claimant)
        if not claimant.waiting:
            self._floor = self.floor
            claimant.served = self._start(claimant)
        claimant.waiting += 1
        self._back(claimant)

    def stop_waiting(self, claimant: Claimant) -> None:
        """One less of its sessions waits."""
        self._floor = self.floor
        self._out(claimant)
        claimant.waiting -= 1
        if not claimant.waiting:
            claimant.behind = max(0.0, self.floor - claimant.served)
        self._back(claimant)

    def take(self, claimant: Claimant, tokens: float) -> None:
        """One of its sessions gets a place, which will use about this many tokens."""
        self._out(claimant)
        claimant.active += 1
        claimant.reserved += tokens
        self._back(claimant)

    def give_up(self, claimant: Claimant, tokens: float) -> None:
        """One of its sessions loses its place, for which this many tokens were reserved."""
        self._out(claimant)
        claimant.active -= 1
        claimant.reserved = claimant.reserved - tokens if claimant.active else 0.0  # rounding errors must not add up
        self._back(claimant)

    def charge(self, claimant: Claimant, tokens: float) -> None:
        """It was served this many tokens. They are free while nobody waits."""
        if self._line:
            self._out(claimant)
            claimant.served += tokens / claimant.weight
            self._back(claimant)

    # -- the order of all waiting sessions

    def tag(self, claimant: Claimant, index: int) -> Tag:
        """The tag of the claimant's waiting session number `index`, from 0."""
        level = self._start(claimant) + claimant.reserved / claimant.weight
        return level + index * self._cost.expected / claimant.weight, claimant.number

    def first_tag(self) -> Tag:
        """The tag of the first session of a claimant that was not seen."""
        return self.floor, self._numbers + 1

    def before(self, tag: Tag) -> int:
        """How many waiting sessions of other claimants come before this tag. Costs O(claimants that come before it)."""
        ahead = (self._line[key] for key in self._line.irange(maximum=tag))
        return sum(self._count(claimant, tag) for claimant in ahead if claimant.number != tag[1])

    def merged(self) -> Iterator[Claimant]:
        """The waiting claimants, each as often as it has waiting sessions, in the order of their turns."""
        turns = [(self.tag(claimant, 0), 0, claimant) for claimant in self._line.values()]
        heapify(turns)
        while turns:
            _, index, claimant = turns[0]
            yield claimant
            index += 1
            if index < claimant.waiting:
                heapreplace(turns, (self.tag(claimant, index), index, claimant))
            else:
                heappop(turns)

    def in_line(self) -> Iterator[Claimant]:
        """The waiting claimants, the lowest level first."""
        return iter(self._line.values())

    def _count(self, claimant: Claimant, tag: Tag) -> int:
        """How many of its waiting sessions come before the tag."""
        step = self._cost.expected / claimant.weight
        count = min(max(0, math.ceil((tag[0] - claimant.level) / step)), claimant.waiting)
        while count < claimant.waiting and self.tag(claimant, count) < tag:
            count += 1
        while count and self.tag(claimant, count - 1) > tag:
            count -= 1
        return count

    # -- bookkeeping

    def _start(self, claimant: Claimant) -> float:
        """What it counts as served if it waits."""
        return claimant.served if claimant.waiting else max(claimant.served, self.floor - claimant.behind)

    def _out(self, claimant: Claimant) -> None:
        """The claimant is about to change."""
        if claimant.waiting:
            del self._line[claimant.level, claimant.number]
            self._by_service.remove((claimant.served, claimant.number))

    def _back(self, claimant: Claimant) -> None:
        """The claimant has changed."""
        if claimant.waiting:
            self._line[claimant.level, claimant.number] = claimant
            self._by_service.add((claimant.served, claimant.number))
        if claimant.waiting or claimant.active:
            self._idle.pop(claimant.name, None)
            return
        claimant.behind = 0.0
        self._idle[claimant.name] = None
        if len(self._idle) > MOST_IDLE:
            del self._claimants[self._idle.popitem(last=False)[0]]
