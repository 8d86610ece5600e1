"""Tenants share an engine by weight, in tokens. A tenant's sessions that resume go first. This is the default."""

from collections.abc import Iterator

from concur_proxy.admission.orders.resuming_first import ResumingFirst
from concur_proxy.admission.session import Session
from concur_proxy.admission.shares import Claimant, Cost, Shares, Tag

COMPUTED, CACHED, GENERATED = 1.0, 0.1, 2.0
"""What a token costs that the engine computes from a prompt, finds in its cache, or generates."""
CLASS_RATIO = 9.0
"""The share of a priority class relative to the next lower one. While both wait, the lower one gets a tenth."""
MOST_CLASSES = 4
"""Priorities beyond this, above or below 0, count as this."""


def weighted(*, computed: float, cached: float, generated: float) -> float:
    """What these tokens of a prompt and its answer cost."""
    return COMPUTED * computed + CACHED * cached + GENERATED * generated


class Lane:
    """The waiting sessions of one tenant in one priority class."""

    __slots__ = ("priority", "queue", "tenant")

    def __init__(self, priority: Claimant, tenant: Claimant) -> None:
        self.priority = priority
        self.tenant = tenant
        self.queue = ResumingFirst()


class Stint:
    """A session's time with a place."""

    __slots__ = ("lane", "reserved", "used")

    def __init__(self, lane: Lane, reserved: float) -> None:
        self.lane = lane
        self.reserved = reserved
        """Tokens that its tenant is charged in advance."""
        self.used = 0.0
        """Tokens that it was served."""


class Fair:
    """Priority classes share the places by weight, the tenants of a class share what it gets, and each tenant's
    sessions are served as in `ResumingFirst`. With one tenant and one class it is the same as `ResumingFirst`.

    Sessions that an operator put first come before all others.
    """

    def __init__(self) -> None:
        self._cost = Cost()
        self._classes = Shares(self._cost)
        self._tenants: dict[str, Shares] = {}
        """The tenants of each class."""
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._preferred = ResumingFirst()
        self._joined: dict[Session, Lane | None] = {}
        """The lane of each waiting session; None: it is preferred."""
        self._stints: dict[Session, Stint] = {}
        self._active_lanes = 0
        """Lanes that have places."""

    # -- the queue

    def __len__(self) -> int:
        return len(self._joined)

    def __contains__(self, session: Session) -> bool:
        return session in self._joined

    def __iter__(self) -> Iterator[Session]:
        """All sessions in the order of their turn."""
        yield from self._preferred
        classes = {each.name: self._in_class(each.name) for each in self._classes.in_line()}
        for each in self._classes.merged():
            yield next(classes[each.name])

    def join(self, session: Session) -> None:
        """Add the session. Joining twice changes nothing."""
        if session in self._joined:
            return
        if session.is_preferred:
            self._joined[session] = None
            self._preferred.join(session)
            return
        lane = self._joined[session] = self._open(session)
        lane.queue.join(session)
        self._classes.wait(lane.priority)
        self._tenants[lane.priority.name].wait(lane.tenant)

    def leave(self, session: Session) -> None:
        """Remove the session. Nothing happens if it has not joined."""
        if session not in self._joined:
            return
        lane = self._joined.pop(session)
        if lane is None:
            self._preferred.leave(session)
            return
        lane.queue.leave(session)
        self._classes.stop_waiting(lane.priority)
        self._tenants[lane.priority.name].stop_waiting(lane.tenant)
        self._close(lane)

    def head(self) -> Session | None:
        """The session that is next, or None."""
        if self._preferred:
            return self._preferred.head()
        lane = self._first()
        return None if lane is None else lane.queue.head()

    def first_new(self) -> Session | None:
        """The first session that was never admitted, or None."""
        if (preferred := self._preferred.first_new()) is not None:
            return preferred
        best: tuple[Tag, Session] | None = None
        for priority in self._classes.in_line():
            if best is not None and self._classes.tag(priority, 0) > best[0]:
                break
            found = self._first_new_of(priority.name)
            if found is not None:
                tag = self._classes.tag(priority, found[0])
                best = (tag, found[1]) if best is None or tag < best[0] else best
        return None if best is None else best[1]

    def position(self, session: Session) -> int:
        """The session's place, from 1. For one that has not joined: the place that it would get."""
        if self._joined.get(session) is None and session.is_preferred:
            return self._preferred.position(session)
        name = _class_of(session)
        tenants = self._tenants.get(name) or Shares(self._cost)
        lane = self._lanes.get((name, session.tenant))
        index = 0 if lane is None else lane.queue.position(session) - 1
        tenant, priority = tenants.get(session.tenant), self._classes.get(name)
        index += tenants.before(tenants.first_tag() if tenant is None else tenants.tag(tenant, index))
        before = self._classes.first_tag() if priority is None else self._classes.tag(priority, index)
        return len(self._preferred) + self._classes.before(before) + index + 1

    # -- what was served

    def take(self, session: Session) -> None:
        """The session has got a place."""
        lane = self._open(session)
        tenants = self._tenants[lane.priority.name]
        stint = self._stints[session] = Stint(lane, self._cost.expected)
        self._classes.take(lane.priority, stint.reserved)
        tenants.take(lane.tenant, stint.reserved)
        self._active_lanes += lane.tenant.active == 1

    def give_up(self, session: Session, *, is_over: bool) -> None:
        """The session has lost its place: it is over, or it was paused for others."""
        stint = self._stints.pop(session)
        lane = stint.lane
        if is_over and stint.used:
            self._cost.learn(stint.used)
        self._classes.give_up(lane.priority, stint.reserved)
        self._tenants[lane.priority.name].give_up(lane.tenant, stint.reserved)
        self._active_lanes -= not lane.tenant.active
        self._close(lane)

    def serve(self, session: Session, *, computed: float, cached: float, generated: float) -> None:
        """A request of the session was served: tokens of its prompt, and of its answer."""
        tokens = weighted(computed=computed, cached=cached, generated=generated)
        stint = self._stints.get(session)
        if stint is not None:
            stint.used += tokens
            self._classes.charge(stint.lane.priority, tokens)
            self._tenants[stint.lane.priority.name].charge(stint.lane.tenant, tokens)

    def must_yield(self, session: Session) -> bool:
        """Whether a session with a place should give it to the next one in the queue: it has a turn behind it, and even
        after the change its tenant or class would not be below that of the other session.
        """
        stint, lane = self._stints.get(session), self._first()
        if stint is None or lane is None or self._preferred or session.is_preferred or stint.lane is lane:
            return False
        if stint.lane.priority is not lane.priority:
            shares, above, below = self._classes, stint.lane.priority, lane.priority
        else:
            shares, above, below = self._tenants[lane.priority.name], stint.lane.tenant, lane.tenant
        after = shares.tag(below, 0)[0] + self._cost.expected / below.weight
        return after <= shares.tag(above, 0)[0] - stint.reserved / above.weight

    def excess(self, session: Session) -> tuple[float, float]:
        """How far the class, and then the tenant, of a session with a place is above the others. The session with the
        largest value pauses first.
        """
        stint = self._stints.get(session)
        return (0.0, 0.0) if stint is None else (stint.lane.priority.level, stint.lane.tenant.level)

    @property
    def is_shared(self) -> bool:
        """Whether sessions with a place belong to more than one tenant or class."""
        return self._active_lanes > 1

    # -- bookkeeping

    def _first(self) -> Lane | None:
        priority = self._classes.first()
        tenant = None if priority is None else self._tenants[priority.name].first()
        return None if priority is None or tenant is None else self._lanes[priority.name, tenant.name]

    def _in_class(self, name: str) -> Iterator[Session]:
        tenants = self._tenants[name]
        queues = {each.name: iter(self._lanes[name, each.name].queue) for each in tenants.in_line()}
        for each in tenants.merged():
            yield next(queues[each.name])

    def _first_new_of(self, name: str) -> tuple[int, Session] | None:
        """The first new session of a class, and how many of its sessions come before it."""
        tenants = self._tenants[name]
        best: tuple[Tag, int, Session] | None = None
        for tenant in tenants.in_line():
            if best is not None and tenants.tag(tenant, 0) > best[0]:
                break
            queue = self._lanes[name, tenant.name].queue
            session = queue.first_new()
            if session is not None:
                index = queue.position(session) - 1
                tag = tenants.tag(tenant, index)
                best = (tag, index, session) if best is None or tag < best[0] else best
        return None if best is None else (best[1] + tenants.before(best[0]), best[2])

    def _open(self, session: Session) -> Lane:
        name = _class_of(session)
        tenants = self._tenants.get(name)
        if tenants is None:
            tenants = self._tenants[name] = Shares(self._cost)
        priority = self._classes.open(name, CLASS_RATIO ** int(name))
        tenant = tenants.open(session.tenant, session.weight)
        lane = self._lanes.get((name, session.tenant))
        if lane is None:
            lane = self._lanes[name, session.tenant] = Lane(priority, tenant)
        return lane

    def _close(self, lane: Lane) -> None:
        """Forget the lane if it has no session. Its tenant's level is kept."""
        if not lane.tenant.waiting and not lane.tenant.active:
            del self._lanes[lane.priority.name, lane.tenant.name]


def _class_of(session: Session) -> str:
    return str(min(max(session.priority, -MOST_CLASSES), MOST_CLASSES))


def build() -> Fair:
    """Make the order."""
    return Fair()
